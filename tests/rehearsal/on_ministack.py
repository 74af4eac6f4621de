"""The second half: what happens in an account whose functions run, from the first deployment to the last."""

import hashlib
from pathlib import Path
from urllib.parse import urlparse

from tests.rehearsal import assembly
from tests.rehearsal.cdk_cli import Cdk
from tests.rehearsal.doorstep import Doorstep, doorstep
from tests.rehearsal.errands import HELLO, LARGE_MIB, Person, large_task, worker
from tests.rehearsal.ministack_account import LivingAccount, ministack_account
from tests.rehearsal.promises import Promises

PREFIX = "flotilla-dev"
PART_MIB = 4
UNPROTECTED = ("-c", "deletion_protection=false")


def rehearse(promises: Promises, *, templates: Path, home: Path) -> None:
    """Raises what breaks a promise."""
    with ministack_account(home) as living:
        cdk = Cdk(environment=living.account.environment, assembly=templates)
        _deploy(promises, cdk, living)
        with doorstep(endpoint=living.account.endpoint, host=_api_host(living)) as door:
            _use(promises, living, door, home=home)
        _change_and_destroy(promises, cdk, living, home=home)


def _deploy(promises: Promises, cdk: Cdk, living: LivingAccount) -> None:
    account = living.account
    with promises.kept_when("`cdk bootstrap` and `cdk deploy --all` make every resource of every template"):
        cdk.bootstrap()
        cdk.deploy()
        assert account.resources(assembly.resources(cdk.assembly)) == assembly.every(cdk.assembly)
    with promises.kept_when("the migration ran before traffic, over verified TLS, and the first key is in its secret"):
        assert _admin_key(living).startswith("fl_")
    with promises.kept_when("the group's custom resource has kept zones from being rebalanced"):
        (call,) = living.group_calls()
        assert (call["Action"], call["ScalingProcesses.member.1"]) == ("SuspendProcesses", "AZRebalance")


def _use(promises: Promises, living: LivingAccount, door: Doorstep, *, home: Path) -> None:
    person = Person(url=door.url, key=_admin_key(living), home=home)
    settings = _variables(living, "pulse")
    with promises.kept_when("without a key the deployed API says that it is well, and nothing else"):
        assert door.inside.get("/healthz").json()["status"] == "ok"
        assert door.inside.get("/v1/jobs").status_code == 401
    with promises.kept_when("the deployed API looks into both queues and takes dead letters back"):
        assert [queue["priority"] for queue in person.ask("queue", "list")["items"]] == ["high", "normal"]
        assert [queue["remaining"] for queue in person.ask("queue", "redrive")["items"]] == [0, 0]
    with worker(living, settings, scratch=home / "scratch"):
        with promises.kept_when("a bundle, a job, a message on the deployed queue: this checkout's worker grades it"):
            job = person.run(HELLO, "-k", "3", "--wait")
            assert job["counts"]["graded"] == 3
            assert job["mean_reward"] == 1.0
        with promises.kept_when(f"{LARGE_MIB} MiB go up in parts, and another process goes on where one was killed"):
            _upload_in_two_processes(person, door, archive=large_task(home))


def _upload_in_two_processes(person: Person, door: Doorstep, *, archive: Path) -> None:
    first = person.command("run", "-p", str(archive), "-a", "oracle")
    assert door.wait_for("PATCH", times=4, seconds=60)
    first.kill()
    first.communicate()
    job = person.run(archive, "-k", "1", "--wait")
    parts = door.sizes["PATCH"]
    assert max(parts) == PART_MIB * 2**20
    assert sum(parts) < archive.stat().st_size + 3 * PART_MIB * 2**20  # what was on its way at the kill comes twice
    assert job["bundle"]["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert job["counts"]["graded"] == 1


def _change_and_destroy(promises: Promises, cdk: Cdk, living: LivingAccount, *, home: Path) -> None:
    stacks = assembly.resources(cdk.assembly)
    with promises.kept_when("a second deployment changes nothing"):
        assert cdk.deploy().count("(no changes)") == len(stacks)
    unprotected = Cdk(environment=cdk.environment, assembly=home / "unprotected.out")
    unprotected.synth(*UNPROTECTED)
    with promises.kept_when("`cdk diff` shows what a change of the configuration would do, and nothing else"):
        shown = unprotected.diff()
        assert "DeletionProtection" in shown
        assert "Number of stacks with differences: 1" in shown
    with promises.kept_when("`cdk destroy` empties the group first, and leaves the files and the archive alone"):
        unprotected.deploy()
        unprotected.destroy()
        _only_what_is_kept(living)


def _only_what_is_kept(living: LivingAccount) -> None:
    account = living.account
    assert not [name for name in account.stacks() if name.startswith(PREFIX)]
    asked = [(call["Action"], call.get("ScalingProcesses.member.1")) for call in living.group_calls()]
    assert asked[-2:] == [("SuspendProcesses", "Launch"), ("UpdateAutoScalingGroup", None)]
    assert living.group_calls()[-1]["DesiredCapacity"] == "0"
    assert not account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert not account.client("sqs").list_queues().get("QueueUrls")
    assert not account.client("lambda").list_functions()["Functions"]
    assert len(account.client("efs").describe_file_systems()["FileSystems"]) == 1
    buckets = [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]
    assert len([name for name in buckets if "archive" in name]) == 1


def _admin_key(living: LivingAccount) -> str:
    secret = living.account.output(f"{PREFIX}-database", "AdminKeySecret")
    return str(living.account.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])


def _api_host(living: LivingAccount) -> str:
    return str(urlparse(living.account.output(f"{PREFIX}-api", "Url")).hostname)


def _variables(living: LivingAccount, function: str) -> dict[str, str]:
    """The variables of one deployed function."""
    functions = living.account.client("lambda").list_functions()["Functions"]
    (found,) = [one for one in functions if one["Handler"] == f"lambdas.{function}.handler"]
    return dict(found["Environment"]["Variables"])
