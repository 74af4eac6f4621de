"""All measures, in the order in which they are taken."""

from bench import full_host, one_trial, throughput
from bench.measure import Measure

ALL: tuple[Measure, ...] = (one_trial.MEASURE, *throughput.MEASURES, full_host.MEASURE)
