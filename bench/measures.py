"""All measures, in the order in which they are taken."""

from bench import fan_out, full_host, latency, one_trial, slot_cost, throughput
from bench.makespan import measuring as makespan
from bench.measure import Measure
from bench.reads import measuring as reads

ALL: tuple[Measure, ...] = (
    one_trial.MEASURE,
    *throughput.MEASURES,
    makespan.MEASURE,
    latency.MEASURE,
    fan_out.MEASURE,
    reads.MEASURE,
    slot_cost.MEASURE,
    full_host.MEASURE,
)
