"""The application, synthesized once in this process: after that every promise is a look-up."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cdk.cargo import Cargo
    from cdk.stage import Stage
    from tests.cdk.templates import Templates


@pytest.fixture(scope="session")
def our_node() -> Iterator[None]:
    """CDK starts the `node` that it finds when it is imported, which is to be ours, beside this Python.

    So it is imported inside the tests that ask for it, which also spares all others its seconds.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        import aws_cdk  # noqa: F401, PLC0415

        yield


@pytest.fixture(scope="session")
def cargo(our_node: None, tmp_path_factory: pytest.TempPathFactory) -> "Cargo":
    """What is uploaded: a layer with nothing in it, and the workers' real archive."""
    from cdk.address_pool import DEFAULT_POOL  # noqa: PLC0415
    from cdk.cargo import Cargo  # noqa: PLC0415
    from cdk.worker_runtime import pack_worker_runtime  # noqa: PLC0415

    wheels = tmp_path_factory.mktemp("wheels")
    (wheels / "python").mkdir()
    (wheels / "python" / "empty.py").touch()
    return Cargo(wheels=wheels, runtime=pack_worker_runtime(tmp_path_factory.mktemp("runtime"), pool=DEFAULT_POOL))


@pytest.fixture(scope="session")
def make_stage(cargo: "Cargo") -> "Callable[..., Stage]":
    """A new application with one stage, whose configuration differs from the default one as given."""
    from aws_cdk import App  # noqa: PLC0415

    from cdk.configuration import Configuration  # noqa: PLC0415
    from cdk.stage import Stage  # noqa: PLC0415

    def make(**differing: Any) -> "Stage":
        return Stage(App(), configuration=Configuration(**{"stage": "test", **differing}), cargo=cargo)

    return make


@pytest.fixture(scope="session")
def templates(make_stage: "Callable[..., Stage]") -> "Templates":
    """The templates of a stage called `test` that is configured as by default."""
    from tests.cdk.templates import synthesized  # noqa: PLC0415

    return synthesized(make_stage())
