"""The scaling policy as tables: what is short, what the policy adds for it, and who may leave."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla.scaling import (
    IDLE_SECONDS,
    IDLE_SECONDS_NEVER_WORKED,
    MOST_EXACT,
    MOST_STEPS,
    SCALE_OUT,
    Departure,
    Leaver,
    Observation,
    Stay,
    Tenure,
    is_past_its_time,
    may_leave,
    shortfall,
    wants_to_leave,
)

SLOTS = 60
EMPTY = Observation(waiting=0, free=0, desired=0, instances=0, reported=0, most=10)
BUSY = replace(EMPTY, desired=3, instances=3, reported=3)


@pytest.mark.parametrize(
    ("case", "seen", "short"),
    [
        ("nothing waits and nobody is there", EMPTY, 0),
        ("one run waits", replace(EMPTY, waiting=1), 1),
        ("exactly one worker's worth waits", replace(EMPTY, waiting=60), 1),
        ("one run more than a worker holds", replace(EMPTY, waiting=61), 2),
        ("a whole fleet's worth", replace(EMPTY, waiting=600), 10),
        ("more than the group may ever hold", replace(EMPTY, waiting=100_000), 10),
        ("what was asked for is coming", replace(EMPTY, waiting=600, desired=10), 0),
        ("some of it is coming", replace(EMPTY, waiting=600, desired=4), 6),
        ("instances are there and have not reported", replace(EMPTY, waiting=120, desired=2, instances=2), 0),
        ("spot gave fewer instances than desired", replace(EMPTY, waiting=120, desired=2, instances=1), 0),
        ("a replacement overlaps with what it replaces", replace(BUSY, waiting=60, instances=4), 0),
        ("everybody is busy and one run waits", replace(BUSY, waiting=1), 1),
        ("free slots take what waits", replace(BUSY, waiting=60, free=60), 0),
        ("free slots take some of it", replace(BUSY, waiting=61, free=60), 1),
        ("admission takes fewer runs than there are slots", replace(BUSY, waiting=60, free=25), 1),
        ("a draining worker has reported and is not free", replace(BUSY, waiting=60, free=0), 1),
        ("a lost worker still takes its place", replace(BUSY, waiting=60, free=0, instances=3), 1),
        ("more slots are free than runs wait", replace(BUSY, waiting=5, free=180), 0),
        ("the group is at its maximum", replace(BUSY, waiting=600, desired=10, instances=10, reported=10), 0),
        ("the maximum was lowered below what is desired", replace(BUSY, waiting=600, most=2), 0),
        ("one place is left", replace(BUSY, waiting=600, desired=9, instances=9, reported=9), 1),
    ],
)
def test_the_shortfall_is_what_is_still_to_be_asked_for(case: str, seen: Observation, short: int) -> None:
    assert shortfall(seen, slots=SLOTS) == short


observations = st.builds(
    lambda waiting, free, desired, instances, reported, most: Observation(
        waiting=waiting,
        free=free,
        desired=desired,
        instances=instances,
        reported=min(reported, instances),
        most=max(most, desired),
    ),
    waiting=st.integers(0, 5_000),
    free=st.integers(0, 1_000),
    desired=st.integers(0, 300),
    instances=st.integers(0, 300),
    reported=st.integers(0, 300),
    most=st.integers(0, 300),
)


@given(seen=observations, slots=st.integers(1, 100))
def test_adding_the_shortfall_never_passes_the_maximum_and_leaves_no_run_without_a_slot_below_it(
    seen: Observation, slots: int
) -> None:
    short = shortfall(seen, slots=slots)
    assert 0 <= short <= seen.most - seen.desired
    provided = seen.free + (seen.coming + short) * slots
    assert provided >= seen.waiting or seen.desired + short == seen.most
    assert short == 0 or provided - slots < seen.waiting  # not one worker too many


@given(seen=observations, slots=st.integers(1, 100))
def test_what_was_added_is_not_short_again(seen: Observation, slots: int) -> None:
    desired = max(seen.desired, seen.instances)
    settled = replace(seen, desired=desired, instances=min(seen.instances, desired), most=max(seen.most, desired))
    asked = replace(settled, desired=settled.desired + shortfall(settled, slots=slots))
    assert shortfall(asked, slots=slots) == 0


@pytest.mark.parametrize("short", range(MOST_EXACT + 1))
def test_up_to_fifteen_the_policy_adds_exactly_what_is_short(short: int) -> None:
    assert SCALE_OUT.adds(short) == short


@pytest.mark.parametrize(("short", "added"), [(16, 16), (31, 16), (32, 32), (63, 32), (64, 64), (256, 256), (999, 256)])
def test_beyond_it_adds_the_lower_bound_of_a_coarser_band(short: int, added: int) -> None:
    assert SCALE_OUT.adds(short) == added


def test_the_steps_leave_no_gap_and_are_no_more_than_a_policy_takes() -> None:
    steps = SCALE_OUT.steps
    assert len(steps) <= MOST_STEPS
    assert [step.upper for step in steps[:-1]] == [step.lower for step in steps[1:]]
    assert steps[0].lower == SCALE_OUT.threshold
    assert steps[-1].upper is None
    assert SCALE_OUT.interval(steps[0]) == (0, 1)


def test_the_alarm_is_the_one_of_the_design() -> None:
    assert (SCALE_OUT.metric, SCALE_OUT.statistic, SCALE_OUT.period_seconds) == ("Shortfall", "Maximum", 10)
    assert (SCALE_OUT.evaluation_periods, SCALE_OUT.datapoints_to_alarm, SCALE_OUT.threshold) == (1, 1, 1)
    assert (SCALE_OUT.missing_data, SCALE_OUT.warmup_seconds) == ("notBreaching", 0)


IDLE = Leaver(busy=0, idle_seconds=IDLE_SECONDS, worked=True)


GOES, REPLACED = Departure.LOWERING, Departure.IN_PLACE


@pytest.mark.parametrize(
    ("case", "leaver", "waiting", "desired", "answer"),
    [
        ("idle for its whole time", IDLE, 0, 1, GOES),
        ("not idle for long", replace(IDLE, idle_seconds=IDLE_SECONDS - 1), 0, 1, Stay.NOT_IDLE_FOR_LONG),
        ("never worked", Leaver(busy=0, idle_seconds=IDLE_SECONDS_NEVER_WORKED, worked=False), 0, 1, GOES),
        ("just came", Leaver(busy=0, idle_seconds=59, worked=False), 0, 1, Stay.NOT_IDLE_FOR_LONG),
        ("it has a trial", replace(IDLE, busy=1), 0, 1, Stay.BUSY),
        ("work waits", IDLE, 1, 1, Stay.WORK_WAITS),
        ("past its age, though work waits", replace(IDLE, idle_seconds=0, retiring=True), 9, 1, GOES),
        ("past its age, with a trial", replace(IDLE, busy=1, retiring=True), 0, 1, Stay.BUSY),
        ("its replacement is there already", replace(IDLE, retiring=True), 0, 0, REPLACED),
    ],
)
def test_a_worker_leaves_only_when_nobody_needs_it(
    case: str, leaver: Leaver, waiting: int, desired: int, answer: Stay | Departure
) -> None:
    assert may_leave(leaver, waiting=waiting, desired=desired, minimum=0, instances=1) == answer


@pytest.mark.parametrize(
    ("case", "leaver", "instances", "answer"),
    [
        ("nobody would be left of the minimum", IDLE, 2, Stay.MINIMUM),
        ("an older one makes way for its replacement", replace(IDLE, retiring=True), 2, REPLACED),
        ("the group holds one more than it asks for", IDLE, 3, REPLACED),
        ("spot did not give as many as the minimum", IDLE, 1, Stay.MINIMUM),
    ],
)
def test_at_the_minimum_only_what_is_replaced_goes(
    case: str, leaver: Leaver, instances: int, answer: Stay | Departure
) -> None:
    assert may_leave(leaver, waiting=0, desired=2, minimum=2, instances=instances) == answer


@given(
    busy=st.integers(0, 2),
    retiring=st.booleans(),
    waiting=st.integers(0, 2),
    desired=st.integers(0, 4),
    minimum=st.integers(0, 4),
    instances=st.integers(1, 6),
)
def test_whoever_leaves_is_idle_and_lowers_the_group_only_above_its_minimum(
    busy: int, retiring: bool, waiting: int, desired: int, minimum: int, instances: int
) -> None:
    leaver = Leaver(busy=busy, idle_seconds=IDLE_SECONDS, worked=True, retiring=retiring)
    answer = may_leave(leaver, waiting=waiting, desired=desired, minimum=minimum, instances=instances)
    assert not busy or answer is Stay.BUSY
    if answer is Departure.LOWERING:
        assert desired > minimum
        assert instances <= desired


def test_a_worker_asks_whether_it_may_leave_once_its_time_is_over() -> None:
    tenure = Tenure(idle_seconds=5, idle_seconds_never_worked=1)
    assert wants_to_leave(Leaver(busy=0, idle_seconds=5, worked=True), tenure=tenure)
    assert not wants_to_leave(Leaver(busy=0, idle_seconds=4, worked=True), tenure=tenure)
    assert wants_to_leave(Leaver(busy=0, idle_seconds=1, worked=False), tenure=tenure)
    assert wants_to_leave(Leaver(busy=0, idle_seconds=0, worked=True, retiring=True), tenure=tenure)
    assert not wants_to_leave(Leaver(busy=1, idle_seconds=5, worked=True, retiring=True), tenure=tenure)


@pytest.mark.parametrize(("age", "trials", "over"), [(9, 99, False), (10, 0, True), (0, 100, True)])
def test_a_worker_has_a_longest_life_and_a_most_of_trials(age: float, trials: int, over: bool) -> None:
    tenure = Tenure(retirement_seconds=10, retirement_trials=100)
    assert is_past_its_time(age_seconds=age, trials=trials, tenure=tenure) == over
