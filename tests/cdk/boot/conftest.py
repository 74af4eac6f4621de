"""A worker's machine, booted for real in a fresh root of its release; see `stand_ins` and `doors` for what is not."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdk.address_pool import DEFAULT_POOL
from cdk.user_data import WorkerBoot, render_user_data
from cdk.worker_runtime import digest, pack_worker_runtime
from tests.cdk.boot.booted import Booted
from tests.cdk.boot.doors import REGION, Doors, open_doors
from tests.cdk.boot.efs_repository import make_efs_repository
from tests.cdk.boot.fresh_root import Machine, machine_over, make_fresh_root, memory_mounted, network_environment
from tests.cdk.boot.stand_ins import put_stand_ins

TOOLS = ("debootstrap", "dpkg-deb", "gpg", "ip", "unshare")
BUCKET, KEY = "assets", "worker-runtime.tar.gz"
SECONDS_TO_MAKE = 600


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whichever test is the first waits until a root is made and a machine has booted."""
    item.add_marker(pytest.mark.timeout(SECONDS_TO_MAKE))


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A directory for roots, in memory: they are many small files, and nothing of them is kept."""
    _require_tools()
    with tempfile.TemporaryDirectory(prefix="flotilla-boot-") as directory, memory_mounted(Path(directory)):
        yield Path(directory)


def _require_tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() == 0 and not missing:
        return
    fault = f"a machine's root cannot be made here: it takes root, and {', '.join(TOOLS)}; missing: {missing}"
    if os.environ.get("FLOTILLA_REQUIRE_MACHINE") == "1":
        pytest.fail(fault)
    pytest.skip(fault)


@pytest.fixture(scope="session")
def fresh_root(workshop: Path) -> Path:
    """What the image has, with the stand-ins in it."""
    root = make_fresh_root(workshop)
    put_stand_ins(root)
    return root


@pytest.fixture(scope="session")
def runtime(workshop: Path) -> Path:
    """The archive, as it is deployed."""
    return pack_worker_runtime(workshop, pool=DEFAULT_POOL)


@pytest.fixture(scope="session")
def doors(workshop: Path, runtime: Path) -> Iterator[Doors]:
    """AWS as a booting machine meets it."""
    repository = make_efs_repository(workshop / "repository")
    with open_doors(public=repository, objects={f"/{BUCKET}/{KEY}": runtime.read_bytes()}) as open_ones:
        yield open_ones


@pytest.fixture(scope="session")
def user_data(runtime: Path) -> str:
    """What the machines are told."""
    return render_user_data(
        WorkerBoot(
            region=REGION,
            runtime_bucket=BUCKET,
            runtime_key=KEY,
            runtime_sha256=digest(runtime),
            file_system="fs-0123456789abcdef0",
            access_point="fsap-0123456789abcdef0",
            blocked_networks=["10.40.0.0/16"],
            blocked_networks_v6=["2001:db8:40::/56"],
            settings={"FLOTILLA_SLOTS": "60", "FLOTILLA_QUEUE_URL": "https://sqs.example/runs"},
        )
    )


@pytest.fixture(scope="session")
def booted(fresh_root: Path, workshop: Path, doors: Doors, user_data: str) -> Iterator[Booted]:
    """A machine whose boot went well."""
    environment = {**network_environment(), **doors.environment}
    with machine_over(fresh_root, scratch=workshop / "booted", environment=environment) as machine:
        yield Booted(machine=machine, output=machine.begin(user_data), layers=(workshop / "booted/upper", fresh_root))


@pytest.fixture
def baked(booted: Booted, workshop: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine of an image that was baked: it has everything, and has not begun yet."""
    scratch = workshop / f"baked-{request.node.name.replace('/', '-')}"
    with machine_over(*booted.layers, scratch=scratch, environment=booted.machine.environment) as machine:
        machine.run("cloud-init", "clean", "--logs")
        machine.forget_notes()
        yield machine


@pytest.fixture
def fails(baked: Machine) -> Callable[[str], None]:
    """Makes a stand-in, or the start of a unit, fail on the baked machine."""

    def mark(name: str) -> None:
        (baked.root / "fails").mkdir(exist_ok=True)
        (baked.root / "fails" / name).touch()

    return mark
