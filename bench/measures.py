"""All measures, in the order in which they are taken."""

from bench import one_trial
from bench.measure import Measure

ALL: tuple[Measure, ...] = (one_trial.MEASURE,)
