"""The pulse's care for a group: real PostgreSQL, moto's Auto Scaling and CloudWatch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from sqlalchemy import Engine, text

from flotilla.caretaker import Caretaker, Tended
from flotilla.causes import Cause
from flotilla.cloudwatch import Publisher
from flotilla.metrics import NAMESPACE, STAGE_DIMENSION, Metric
from flotilla.states import RunState, TrialState, WaitingOn
from flotilla.store.dispatching import mark_sent
from flotilla.store.endings import Ending, finish
from flotilla.store.leadership import lead
from flotilla.worker_group import WorkerGroup
from tests.aws_group import REGION, AwsGroup, autoscaling
from tests.flotilla.fleet import Fleet

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

SLOTS = 4
LEADER = "pulse"
type Published = Callable[[], dict[str, float]]


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    fleet = Fleet(engine)
    fleet.do(lambda c: lead(c, name=LEADER, holder="tests", seconds=600, gap_seconds=30, quiet_seconds=90))
    return fleet


@pytest.fixture
def aws(moto_url: str) -> AwsGroup:
    return AwsGroup(autoscaling(moto_url))


@pytest.fixture
def stage() -> str:
    return f"stage-{uuid4().hex}"


@pytest.fixture
def cloudwatch(moto_url: str) -> "CloudWatchClient":
    return boto3.client(
        "cloudwatch",
        endpoint_url=moto_url,
        region_name=REGION,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


@pytest.fixture
def caretaker(engine: Engine, aws: AwsGroup, cloudwatch: "CloudWatchClient", stage: str) -> Caretaker:
    return Caretaker(
        engine=engine,
        group=WorkerGroup(aws.client, name=aws.name),
        publisher=Publisher(cloudwatch, stage=stage),
        slots=SLOTS,
        boot_seconds=600,
    )


@pytest.fixture
def published(cloudwatch: "CloudWatchClient", stage: str) -> Published:
    """Adds up what was published so far, by metric."""

    def read() -> dict[str, float]:
        now = datetime.now(UTC)
        sums: dict[str, float] = {}
        for metric in Metric:
            answer = cloudwatch.get_metric_statistics(
                Namespace=NAMESPACE,
                MetricName=metric.value,
                Dimensions=[{"Name": STAGE_DIMENSION, "Value": stage}],
                StartTime=now - timedelta(minutes=10),
                EndTime=now + timedelta(minutes=10),
                Period=3600,
                Statistics=["Sum"],
            )
            for datapoint in answer["Datapoints"]:
                sums[metric.value] = sums.get(metric.value, 0) + datapoint["Sum"]
        return sums

    return read


def _tend(caretaker: Caretaker, *, quiet: bool = False) -> Tended:
    return caretaker.tend(leader=LEADER, quiet=quiet)


def _age(fleet: Fleet, instance: str, *, seconds: int) -> None:
    older = text("UPDATE boots SET seen_at = seen_at - make_interval(secs => :seconds) WHERE instance = :instance")
    fleet.do(lambda c: c.execute(older, {"seconds": seconds, "instance": instance}))


def _fill(fleet: Fleet, worker_id: str, *, runs: int) -> list[str]:
    names = fleet.job(runs=runs)
    for name in names:
        fleet.claimed(name, worker_id)
    return names


def test_a_fleet_at_rest_publishes_zeros(caretaker: Caretaker, fleet: Fleet, published: Published) -> None:
    assert _tend(caretaker) == Tended(shortfall=0)
    assert published() == dict.fromkeys((metric.value for metric in Metric if metric != Metric.UNREADABLE_LETTERS), 0)


def test_what_waits_is_short_of_workers_until_they_are_asked_for(
    caretaker: Caretaker, fleet: Fleet, aws: AwsGroup
) -> None:
    fleet.job(runs=9)
    assert _tend(caretaker).shortfall == 3
    aws.grow(3)
    assert _tend(caretaker).shortfall == 0


def test_workers_that_report_cover_what_they_have_free(caretaker: Caretaker, fleet: Fleet, aws: AwsGroup) -> None:
    first, second = aws.grow(2)
    _fill(fleet, fleet.worker(first), runs=3)
    fleet.worker(second)
    fleet.job(runs=5)
    assert _tend(caretaker).shortfall == 0
    fleet.job(runs=1)
    assert _tend(caretaker).shortfall == 1


def test_slots_and_waits_are_published(caretaker: Caretaker, fleet: Fleet, aws: AwsGroup, published: Published) -> None:
    (instance,) = aws.grow(1)
    _fill(fleet, fleet.worker(instance), runs=3)
    (waits,) = fleet.job()
    earlier = text("UPDATE runs SET waiting_since = now() - interval '90 s' WHERE id = :run")
    fleet.do(lambda c: c.execute(earlier, {"run": waits}))
    _tend(caretaker)
    seen = published()
    assert (seen["Waiting"], seen["Running"], seen["SlotsLive"], seen["SlotsBusy"]) == (1, 3, SLOTS, 3)
    assert seen["OldestWait"] >= 90


def test_a_draining_worker_covers_nothing(caretaker: Caretaker, fleet: Fleet, aws: AwsGroup) -> None:
    (instance,) = aws.grow(1)
    fleet.worker(instance)
    fleet.do(lambda c: c.execute(text("UPDATE workers SET state = 'draining'")))
    fleet.job()
    assert _tend(caretaker).shortfall == 1


def test_a_run_that_may_not_start_yet_is_not_short_of_a_worker(caretaker: Caretaker, fleet: Fleet) -> None:
    fleet.job()
    fleet.do(
        lambda c: c.execute(text("UPDATE runs SET not_before = now() + interval '1 hour', waiting_on = 'backoff'"))
    )
    assert _tend(caretaker).shortfall == 0


def test_each_ending_is_counted_exactly_once(caretaker: Caretaker, fleet: Fleet, published: Published) -> None:
    _tend(caretaker)
    runs = _fill(fleet, fleet.worker(), runs=4)
    endings = (
        Ending(state=TrialState.GRADED, rewards={"reward": 1.0}),
        Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER),
        Ending(state=TrialState.PREEMPTED),
        Ending(state=TrialState.ERRORED, cause=Cause.UNCLASSIFIED),
    )
    for run_id, ending in zip(runs, endings, strict=True):
        row = fleet.row(run_id)
        fleet.do(
            lambda c, row=row, ending=ending: finish(  # type: ignore[misc]
                c, run_id=row.id, token=row.token, trial_id=row.trial_id, ending=ending
            )
        )
    for _ in range(3):
        _tend(caretaker)
    seen = published()
    assert (seen["RunsGraded"], seen["RunsErrored"], seen["TrialsPreempted"]) == (1, 2, 1)
    assert seen["UnclassifiedEndings"] == 1


def test_an_ending_under_way_while_others_are_counted_is_counted_later(
    caretaker: Caretaker, fleet: Fleet, engine: Engine, published: Published
) -> None:
    _tend(caretaker)
    (run_id,) = _fill(fleet, fleet.worker(), runs=1)
    row = fleet.row(run_id)
    with engine.begin() as slow:
        ending = Ending(state=TrialState.GRADED, rewards={"reward": 1.0})
        finish(slow, run_id=run_id, token=row.token, trial_id=row.trial_id, ending=ending)
        _tend(caretaker)
    _tend(caretaker)
    assert published()["RunsGraded"] == 1


def test_an_instance_that_never_reports_is_replaced_without_being_given_up(
    caretaker: Caretaker, fleet: Fleet, aws: AwsGroup
) -> None:
    dead, living = aws.grow(2)
    fleet.worker(living)
    _tend(caretaker)
    _age(fleet, dead, seconds=601)
    assert _tend(caretaker).replaced == (dead,)
    assert dead not in aws.instances()
    assert aws.look()["DesiredCapacity"] == 2


def test_after_a_gap_no_instance_is_judged(caretaker: Caretaker, fleet: Fleet, aws: AwsGroup) -> None:
    (instance,) = aws.grow(1)
    _tend(caretaker)
    _age(fleet, instance, seconds=601)
    assert _tend(caretaker, quiet=True).replaced == ()
    assert aws.instances() == [instance]


def test_three_failed_boots_stop_launching_and_waiting_runs_say_so(
    caretaker: Caretaker, fleet: Fleet, aws: AwsGroup, published: Published
) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    instances = aws.grow(3)
    _tend(caretaker)
    for instance in instances:
        _age(fleet, instance, seconds=601)
    tended = _tend(caretaker)
    assert tended.stopped_launching
    assert sorted(tended.replaced) == sorted(instances)
    assert aws.suspended() == {"Launch"}
    _tend(caretaker)
    assert (fleet.row(run_id).state, fleet.row(run_id).waiting_on) == (RunState.QUEUED, WaitingOn.LAUNCHES)
    assert published()["LaunchesStopped"] >= 1


def test_people_who_let_launching_go_on_are_not_overruled_by_old_failures(
    caretaker: Caretaker, fleet: Fleet, aws: AwsGroup
) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda c: mark_sent(c, [run_id]))
    instances = aws.grow(3)
    _tend(caretaker)
    for instance in instances:
        _age(fleet, instance, seconds=601)
    _tend(caretaker)
    aws.client.resume_processes(AutoScalingGroupName=aws.name, ScalingProcesses=["Launch"])
    assert not _tend(caretaker).stopped_launching
    assert aws.suspended() == set()
    assert fleet.row(run_id).waiting_on == WaitingOn.WORKER


def test_a_good_boot_between_failed_ones_lets_launching_go_on(
    caretaker: Caretaker, fleet: Fleet, aws: AwsGroup
) -> None:
    instances = aws.grow(3)
    _tend(caretaker)
    fleet.worker(instances[0])
    for instance in instances[1:]:
        _age(fleet, instance, seconds=601)
    assert not _tend(caretaker).stopped_launching


def test_what_could_not_be_published_is_counted_again(
    caretaker: Caretaker, engine: Engine, fleet: Fleet, aws: AwsGroup, published: Published
) -> None:
    _tend(caretaker)
    (run_id,) = _fill(fleet, fleet.worker(), runs=1)
    row = fleet.row(run_id)
    ending = Ending(state=TrialState.GRADED, rewards={"reward": 1.0})
    fleet.do(lambda c: finish(c, run_id=run_id, token=row.token, trial_id=row.trial_id, ending=ending))
    nowhere = boto3.client(
        "cloudwatch",
        endpoint_url="http://127.0.0.1:1",
        region_name=REGION,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    deaf = Caretaker(
        engine=engine,
        group=WorkerGroup(aws.client, name=aws.name),
        publisher=Publisher(nowhere, stage="deaf"),
        slots=SLOTS,
        boot_seconds=600,
    )
    with pytest.raises(Exception, match="Could not connect"):
        _tend(deaf)
    _tend(caretaker)
    assert published()["RunsGraded"] == 1
