"""The first half: what the control plane holds after the real command line has deployed everything to moto."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

from cdk.user_data import MACHINE_IMAGE_PARAMETER
from tests.rehearsal import assembly, moto_repairs, moto_types
from tests.rehearsal.account import Account
from tests.rehearsal.cdk_cli import ROOT, Cdk, account_environment
from tests.rehearsal.control_plane import CHECKS, GROUP
from tests.rehearsal.promises import Promises

IMAGE = "ami-12c6146b"
"""One that moto has; Ubuntu's it has not."""


@contextmanager
def moto_account(home: Path) -> Iterator[Account]:
    """moto, with the types that it lacks. CloudFormation's template addresses want it to be called `localhost`."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would print each request
    moto_types.teach()
    moto_repairs.repair()
    moto_repairs.publish_image(MACHINE_IMAGE_PARAMETER, IMAGE)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = f"http://localhost:{server.get_host_and_port()[1]}"
        moto_types.serve_at(endpoint)
        yield Account(endpoint=endpoint, environment=account_environment(endpoint, home=home))
    finally:
        server.stop()


def rehearse(promises: Promises, *, templates: Path, home: Path) -> None:
    """Raises what breaks a promise."""
    with moto_account(home) as account:
        cdk = Cdk(environment=account.environment, assembly=templates)
        with promises.kept_when("`cdk bootstrap` prepares an empty account"):
            cdk.bootstrap()
        with promises.kept_when("`cdk deploy --all` makes every stack"):
            cdk.deploy()
            made = account.stacks()
            assert set(made) == {*assembly.resources(templates), "CDKToolkit"}
            assert set(made.values()) == {"CREATE_COMPLETE"}
        with promises.kept_when("every resource of every template was made"):
            assert account.resources(assembly.resources(templates)) == assembly.every(templates)
        for sentence, check in CHECKS.items():
            with promises.kept_when(sentence):
                check(account)
        with promises.kept_when("the group's custom resource keeps zones from being rebalanced"):
            _run_errands(account)


def _run_errands(account: Account) -> None:
    """moto runs no function: our handler runs here, against moto's group."""
    program = (
        "from flotilla.custom_resource import RequestType\n"
        "from lambdas.drain_fleet import work\n"
        "work(RequestType.CREATE, seconds_left=lambda: 60.0)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**account.environment, "FLOTILLA_GROUP": GROUP},
        check=True,
        capture_output=True,
        timeout=60,
    )
    (group,) = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert [one["ProcessName"] for one in group["SuspendedProcesses"]] == ["AZRebalance"]
