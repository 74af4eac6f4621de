"""The application, synthesized once in this process: after that every promise is a look-up."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aws_cdk.assertions import Template

    from cdk.stage import Stage


@pytest.fixture(scope="session")
def make_stage() -> "Callable[[str], Stage]":
    """A new application with one stage of the given name.

    CDK is imported here: it takes seconds, and starts the `node` it finds, which is to be ours, beside this Python.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        from aws_cdk import App  # noqa: PLC0415

        from cdk.stage import Stage  # noqa: PLC0415
    return lambda name: Stage(App(), name=name)


@pytest.fixture(scope="session")
def queue_template(make_stage: "Callable[[str], Stage]") -> "Template":
    """The template of the queues' stack."""
    from aws_cdk.assertions import Template  # noqa: PLC0415 - see above

    return Template.from_stack(make_stage("test").queues)
