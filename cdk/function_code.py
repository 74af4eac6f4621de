"""What a Lambda function runs: this checkout's packages, and a layer of the wheels that they import.

The wheels are unpacked by `make` (from the lock, for the functions' architecture) before synth, which so needs neither
Docker nor a network. They change with the lock only, and are uploaded only then.
"""

from pathlib import Path

from aws_cdk import FileSystem, IgnoreMode
from aws_cdk.aws_lambda import Architecture, AssetCode, Code, LayerVersion, Runtime
from constructs import Construct

ROOT = Path(__file__).parent.parent
RUNTIME = Runtime.PYTHON_3_12
ARCHITECTURE = Architecture.ARM_64
LEFT_OUT = ["/*", "!/flotilla", "!/api", "!/lambdas", "/flotilla/cli", "/flotilla/local", "__pycache__"]


class FunctionCode(Construct):
    """`packages` and `wheels`, shared by all functions of a stack; `wheels_directory` has `python/` in it."""

    def __init__(self, scope: Construct, construct_id: str, *, wheels_directory: Path) -> None:
        super().__init__(scope, construct_id)
        self.packages: AssetCode = Code.from_asset(str(ROOT), exclude=LEFT_OUT, ignore_mode=IgnoreMode.GIT)
        self.wheels = LayerVersion(
            self,
            "Wheels",
            code=Code.from_asset(str(wheels_directory)),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            description="Flotilla: what requirements/runtime.txt names",
        )


def migrations_revision() -> str:
    """Changes with the migrations: what runs them runs again then, and only then."""
    return FileSystem.fingerprint(str(ROOT / "flotilla" / "migrations"), exclude=["**/__pycache__", "**/*.pyc"])
