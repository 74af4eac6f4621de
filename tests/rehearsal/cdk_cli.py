"""The real CDK command line, pinned by this repository, on an account that somebody on loopback plays."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
ACCOUNT = "123456789012"
REGION = "us-east-1"
QUIET = ("--no-notices", "--no-version-reporting")
SECONDS = 600


class CdkFailed(AssertionError):
    """A command ended with a fault; the message holds what it said."""


def account_environment(endpoint: str, *, home: Path, access_key: str = "testing") -> dict[str, str]:
    """The variables of a process for which the endpoint is AWS, and which knows no other account."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CI": "1",
        "HOME": str(home),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdk:
    """The command line with an account's environment; `assembly` is where templates are written to and read from."""

    environment: Mapping[str, str]
    assembly: Path

    def synth(self, *options: str) -> None:
        """Writes the templates, as `npx cdk synth --all` does."""
        self._run("synth", "--all", "--quiet", "--output", str(self.assembly), *options)

    def bootstrap(self) -> str:
        """Prepares the account."""
        return self._run("bootstrap", f"aws://{ACCOUNT}/{REGION}", *self._app)

    def deploy(self, *options: str) -> str:
        """Deploys every stack, and returns what was said."""
        return self._run("deploy", "--all", "--method=direct", "--require-approval", "never", *options, *self._app)

    def diff(self) -> str:
        """What a deployment would change."""
        return self._run("diff", "--all", "--method=template", *self._app)

    def destroy(self) -> str:
        """Takes it all away again."""
        return self._run("destroy", "--all", "--force", *self._app)

    @property
    def _app(self) -> tuple[str, str]:
        return "--app", str(self.assembly)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(CDK), *arguments, *QUIET],
            cwd=ROOT,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise CdkFailed(f"cdk {arguments[0]} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout
