"""The bound that a fleet is held to, by hand-made cases."""

import pytest

from bench.makespan.schedule import Stay, idle_share, least, log_normal, makespan
from bench.percentiles import percentile


@pytest.mark.parametrize(
    ("durations", "slots", "seconds"),
    [
        ([5.0], 3, 5.0),
        ([1.0, 1.0, 1.0, 1.0], 2, 2.0),
        ([3.0, 1.0, 1.0, 1.0], 2, 3.0),
        ([1.0, 1.0, 1.0, 3.0], 2, 4.0),  # the longest last: the order costs a second
    ],
)
def test_each_begins_when_a_slot_is_free(durations: list[float], slots: int, seconds: float) -> None:
    assert makespan(durations, slots=slots) == seconds


def test_no_order_is_below_the_full_slots_and_the_longest() -> None:
    assert least([1.0, 1.0, 1.0, 3.0], slots=2) == 3.0
    assert least([2.0, 2.0, 2.0, 2.0], slots=2) == 4.0


def test_slots_are_idle_only_as_long_as_runs_wait() -> None:
    full = [Stay(worker="w", began=0, ended=4), Stay(worker="w", began=0, ended=9), Stay(worker="w", began=4, ended=5)]
    assert idle_share(full, slots=2) == 0
    late = [Stay(worker="w", began=0, ended=2), Stay(worker="w", began=0, ended=9), Stay(worker="w", began=4, ended=5)]
    assert idle_share(late, slots=2) == pytest.approx(2 / 8)


def test_the_durations_are_the_same_each_time_and_have_their_median() -> None:
    durations = log_normal(median=100, sigma=0.6, count=21)
    assert durations == log_normal(median=100, sigma=0.6, count=21)
    assert durations[10] == pytest.approx(100)
    assert durations == sorted(durations)


def test_a_percentile_is_one_of_the_samples() -> None:
    samples = [float(number) for number in range(100, 0, -1)]
    assert (percentile(samples, 0.5), percentile(samples, 0.99)) == (50, 99)
    assert percentile([7.0], 0.99) == 7
