"""How a worker leaves its group by itself: over a model of the group's lifecycle, with whatever happens meanwhile."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from botocore.exceptions import EndpointConnectionError

from flotilla.messages import Message
from flotilla.scaling import Tenure
from flotilla.states import Priority
from flotilla.worker_group import WorkerGroup
from tests.auto_scaling import HOOK, NAME, AutoScaling
from worker_agent.leaving import Leaving, Membership
from worker_agent.lifecycle_hook import LifecycleHook
from worker_agent.roster import Roster

TENURE = Tenure(idle_seconds=600, idle_seconds_never_worked=60, retirement_seconds=10_000, retirement_trials=100)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
MESSAGE = Message(
    run_id="run", receipt="receipt", queue=Priority.NORMAL, sent_at=NOW, first_received_at=NOW, receive_count=1
)


def waiting(runs: int) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return runs

    return count


class Worker:
    """One member of the group. Its clock stands at `now`; it never worked."""

    def __init__(self, aws: AutoScaling, instance: str, *, runs_waiting: int = 0, tenure: Tenure = TENURE) -> None:
        self.instance = instance
        self.now = 0.0
        self.roster = Roster()
        membership = Membership(group=WorkerGroup(aws.client, name=NAME), instance=instance, hook=HOOK)
        self.leaving = Leaving(
            membership, tenure=tenure, roster=self.roster, waiting=waiting(runs_waiting), clock=lambda: self.now
        )

    def leaves(self, *, after: float = 60.0, recalled: bool = False) -> bool:
        """Whether it goes when so many seconds are over."""
        self.now += after
        return asyncio.run(self.leaving.leave(recalled=recalled))


@pytest.fixture
def aws() -> AutoScaling:
    return AutoScaling(desired=3)


def test_one_that_came_for_nothing_leaves_after_a_minute_and_lowers_the_group(aws: AutoScaling) -> None:
    worker = Worker(aws, "i-1")
    assert not worker.leaves(after=59)
    assert (aws.desired, aws.calls) == (3, [])
    assert worker.leaves(after=1)
    assert (aws.desired, aws.terminating(), aws.calls) == (2, ["i-1"], [("terminate", "i-1")])


def test_one_that_worked_waits_for_its_whole_idle_time_after_its_last_trial(aws: AutoScaling) -> None:
    worker = Worker(aws, "i-1")
    worker.now = 1_000.0
    worker.roster.begun = 1  # a trial that began and ended between two looks
    assert not worker.leaves(after=599)
    assert not worker.leaves(after=599)
    assert worker.leaves(after=1)


@pytest.mark.parametrize("recalled", [False, True])
def test_one_that_has_something_in_hand_stays(aws: AutoScaling, recalled: bool) -> None:
    worker = Worker(aws, "i-1")
    worker.roster.receive(MESSAGE)
    assert not worker.leaves(after=100_000, recalled=recalled)
    assert aws.calls == []


def test_while_runs_wait_only_one_that_is_recalled_or_past_its_age_leaves(aws: AutoScaling) -> None:
    assert not Worker(aws, "i-1", runs_waiting=1).leaves()
    assert Worker(aws, "i-1", runs_waiting=1).leaves(after=0, recalled=True)
    assert Worker(aws, "i-2", runs_waiting=1).leaves(after=TENURE.retirement_seconds)


def test_one_that_was_launched_from_an_older_template_leaves_without_waiting(aws: AutoScaling) -> None:
    worker = Worker(aws, "i-1", runs_waiting=1, tenure=Tenure(idle_seconds=0.05, idle_seconds_never_worked=0.05))
    aws.version = "2"

    async def story() -> bool:
        worker.now = 1.0
        await asyncio.wait_for(worker.leaving.until_due(), 10)
        return await worker.leaving.leave()

    assert asyncio.run(story())
    assert aws.terminating() == ["i-1"]


def test_at_the_minimum_it_stays_and_asks_aws_for_nothing(aws: AutoScaling) -> None:
    aws.least = 3
    assert not Worker(aws, "i-1").leaves()
    assert (aws.desired, aws.calls) == (3, [])


def test_at_the_minimum_a_recalled_one_is_replaced(aws: AutoScaling) -> None:
    aws.least = 3
    assert Worker(aws, "i-1").leaves(recalled=True)
    assert (aws.desired, aws.lowered, len(aws.in_service())) == (3, 0, 3)


def test_one_whose_replacement_was_launched_already_takes_nobodys_place(aws: AutoScaling) -> None:
    aws.desired = 2
    assert Worker(aws, "i-1").leaves(recalled=True)
    assert (aws.desired, aws.lowered, aws.in_service()) == (2, 0, ["i-2", "i-3"])


def meanwhile_at_the_minimum(aws: AutoScaling) -> None:
    aws.least = 3


def meanwhile_terminating(aws: AutoScaling) -> None:
    aws.begin_termination("i-1")


def meanwhile_gone(aws: AutoScaling) -> None:
    aws.vanish("i-1")


@pytest.mark.parametrize(
    ("meanwhile", "goes"), [(meanwhile_at_the_minimum, False), (meanwhile_terminating, True), (meanwhile_gone, True)]
)
def test_what_happens_between_the_look_and_the_call_lowers_nothing(
    aws: AutoScaling, meanwhile: Callable[[AutoScaling], None], goes: bool
) -> None:
    aws.meanwhile = lambda: meanwhile(aws)
    assert Worker(aws, "i-1").leaves() == goes
    assert (aws.desired, aws.lowered) == (3, 0)


def test_for_one_that_terminates_already_no_call_is_made(aws: AutoScaling) -> None:
    aws.begin_termination("i-1")
    assert Worker(aws, "i-1").leaves()
    assert aws.calls == []


def test_one_that_the_group_does_not_hold_stays_and_says_so(aws: AutoScaling, caplog: pytest.LogCaptureFixture) -> None:
    assert not Worker(aws, "i-77").leaves()
    assert "the group does not hold i-77" in caplog.text
    assert aws.calls == []


def test_an_aws_that_does_not_answer_is_asked_again(aws: AutoScaling) -> None:
    def away() -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")

    aws.meanwhile = away
    worker = Worker(aws, "i-1")
    assert not worker.leaves()
    assert worker.leaves(after=0)


class Misfortune:
    """What others do between any look and the call after it: only to idle members, as protection has it."""

    def __init__(self, aws: AutoScaling, *, busy: set[str], dice: random.Random) -> None:
        self.aws, self.busy, self.dice = aws, busy, dice

    def __call__(self) -> None:
        self.aws.meanwhile = self
        idle = [name for name in self.aws.in_service() if name not in self.busy]
        acts = [self.aws.vanish, self.aws.begin_termination, self._scale_out, self._raise_minimum]
        if idle and self.dice.random() < 0.5:
            self.dice.choice(acts)(self.dice.choice(idle))

    def _scale_out(self, _: str) -> None:
        self.aws.grow(self.aws.desired + 1)

    def _raise_minimum(self, _: str) -> None:
        self.aws.least = min(self.aws.least + 1, self.aws.desired)


@pytest.mark.parametrize("seed", range(30))
def test_many_that_leave_at_once_lower_the_group_by_no_more_than_went_and_never_below_its_minimum(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - for variety
    aws = AutoScaling(least=dice.randint(0, 6), desired=12)
    workers = [Worker(aws, name, runs_waiting=int(dice.random() < 0.1)) for name in aws.in_service()]
    busy = {worker.instance for worker in workers if dice.random() < 0.3}
    for worker in workers:
        worker.now = 60.0
        if worker.instance in busy:
            worker.roster.receive(MESSAGE)
    aws.meanwhile = Misfortune(aws, busy=busy, dice=dice)

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(one.leaving.leave(recalled=dice.random() < 0.2) for one in workers))

    went = asyncio.run(all_at_once())
    assert aws.desired >= aws.least
    assert aws.lowered <= sum(went)
    assert not busy & {instance for _, instance in aws.calls}
    assert busy <= set(aws.in_service())


async def heartbeat_of(aws: AutoScaling) -> None:
    """Returns after a heartbeat that began after the call: the first one seen may have begun before."""
    heard = len(aws.calls)
    while len(aws.calls) < heard + 2:  # noqa: ASYNC110 - the model, called from threads, knows no event of a loop
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("outcome", ["the last trial ends", "nobody says so any more"])
def test_the_hook_is_kept_alive_until_the_last_trial_has_ended(outcome: str) -> None:
    aws = AutoScaling(desired=1)
    aws.begin_termination("i-1")
    hook = LifecycleHook(WorkerGroup(aws.client, name=NAME), instance="i-1", name=HOOK, heartbeat_seconds=0.01)

    async def story() -> None:
        keeping = asyncio.create_task(hook.keep())
        for _ in range(5):
            await heartbeat_of(aws)
            aws.pass_time(299)  # nearly the hook's whole timeout
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert aws.terminating() == ["i-1"]
        if outcome == "the last trial ends":
            await hook.complete()
        else:
            aws.pass_time(301)
            await hook.complete()  # says in the log that there is nothing to complete

    asyncio.run(asyncio.wait_for(story(), 30))
    assert aws.gone == ["i-1"]
