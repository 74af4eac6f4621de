"""The CDK application: the stage that the context names, checked against the AwsSolutions rules of cdk-nag."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from cdk.address_pool import AddressPool
from cdk.cargo import Cargo
from cdk.configuration import NAMES, Configuration, ConfigurationFault, read
from cdk.stage import Stage
from cdk.worker_runtime import pack_worker_runtime

WHEELS = Path(__file__).parent / ".cache" / "function-wheels" / "layer"
"""Filled by `make` from requirements/runtime.txt."""


def configuration(app: App) -> Configuration:
    """What the context says. Raises ConfigurationFault."""
    context = {name: app.node.try_get_context(name) for name in NAMES}
    given = {name: value for name, value in context.items() if value is not None}
    return read(given, app.node.try_get_context("stages") or {})


def build(directory: Path) -> App:
    """The application, with what it uploads made in the directory. Raises ConfigurationFault."""
    app = App()
    chosen = configuration(app)
    pool = AddressPool(base=chosen.docker_pool, network_prefix=chosen.docker_network_prefix)
    Stage(
        app,
        configuration=chosen,
        cargo=Cargo(wheels=_wheels(), runtime=pack_worker_runtime(directory, pool=pool)),
    )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def _wheels() -> Path:
    if not (WHEELS / "python").is_dir():
        raise ConfigurationFault(f"{WHEELS} is empty: run `make synth`, which fills it with what the functions import")
    return WHEELS


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        try:
            build(Path(directory)).synth()
        except ConfigurationFault as fault:
            sys.exit(f"The stage cannot be built: {fault}.")
