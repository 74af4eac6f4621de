"""What a fleet must do in each situation, whoever states the rule: the policy object, or a synthesized template."""

from dataclasses import dataclass
from itertools import pairwise

from tests.flotilla.alarm_model import Rule
from tests.flotilla.group_model import MOST, Demand, GroupModel, Scenario, told

HOUR = 3_600
PROMPT_SECONDS = 25
"""From runs that wait to a desired capacity that suffices: a tick, a period, and the evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A scenario and its right course: how many workers are needed at most, and from when on."""

    scenario: Scenario
    needed: int
    from_second: int
    leaves_nothing_waiting: bool = True


def _all_at_once(runs: int) -> tuple[Demand, ...]:
    return (Demand(at=5, runs=runs, seconds=900),)


STORIES = {
    "one run, from zero": Story(scenario=Scenario(demands=_all_at_once(1)), needed=1, from_second=5),
    "a worker's worth, from zero": Story(scenario=Scenario(demands=_all_at_once(60)), needed=1, from_second=5),
    "one run more": Story(scenario=Scenario(demands=_all_at_once(61)), needed=2, from_second=5),
    "a whole fleet, from zero": Story(scenario=Scenario(demands=_all_at_once(600)), needed=MOST, from_second=5),
    "three fleets' worth": Story(scenario=Scenario(demands=_all_at_once(1_800)), needed=MOST, from_second=5),
    "nothing to do": Story(scenario=Scenario(demands=()), needed=0, from_second=0),
    "wave upon wave": Story(
        scenario=Scenario(demands=tuple(Demand(at=7 + 130 * wave, runs=60, seconds=HOUR) for wave in range(5))),
        needed=5,
        from_second=7 + 130 * 4,
    ),
    "a trickle that one worker takes": Story(
        scenario=Scenario(demands=tuple(Demand(at=3 + 20 * number, runs=1, seconds=30) for number in range(100))),
        needed=1,
        from_second=3,
    ),
    "runs that are held": Story(
        scenario=Scenario(demands=(Demand(at=5, runs=600, seconds=600, held_until=HOUR),)), needed=10, from_second=HOUR
    ),
    "no spot for a quarter of an hour": Story(
        scenario=Scenario(demands=_all_at_once(180), spot=lambda now: 0 if now < 900 else 10), needed=3, from_second=5
    ),
    "less spot than wanted, for good": Story(
        scenario=Scenario(demands=_all_at_once(600), spot=lambda _: 4), needed=MOST, from_second=5
    ),
    "a slow boot": Story(scenario=Scenario(demands=_all_at_once(120), boot_seconds=550), needed=2, from_second=5),
    "two boots that fail": Story(
        scenario=Scenario(demands=_all_at_once(120), boots=lambda launch: launch not in {0, 2}),
        needed=2,
        from_second=5,
    ),
    "two machines that spot takes back": Story(
        scenario=Scenario(demands=_all_at_once(300), interrupted={600: 2}), needed=5, from_second=5
    ),
    "a machine that drains while new runs come": Story(
        scenario=Scenario(demands=(*_all_at_once(120), Demand(at=405, runs=60, seconds=900)), drained=frozenset({400})),
        needed=3,
        from_second=405,
    ),
    "boots that all fail": Story(
        scenario=Scenario(demands=_all_at_once(120), boots=lambda _: False),
        needed=2,
        from_second=5,
        leaves_nothing_waiting=False,
    ),
}


def check(story: Story, rule: Rule) -> GroupModel:
    """Asserts that the rule asks for what is needed, promptly, never for more, and never twice for the same."""
    model = told(story.scenario, rule)
    desired = [count for _, count in model.history]
    in_time = desired[min(story.from_second + PROMPT_SECONDS, len(desired) - 1)]
    assert in_time == story.needed, f"{in_time} workers were asked for in time, not {story.needed}"
    assert max(desired) == story.needed, f"{max(desired)} workers were asked for, not {story.needed}"
    assert _rises_again(desired) == 0, "it asked anew for what it had let go"
    if story.leaves_nothing_waiting:
        assert not model.waiting
        assert desired[-1] == len(model.machines) == 0
    return model


def _rises_again(desired: list[int]) -> int:
    falls = next((at for at, (one, other) in enumerate(pairwise(desired)) if other < one), None)
    rest = [] if falls is None else desired[falls:]
    return sum(other > one for one, other in pairwise(rest))
