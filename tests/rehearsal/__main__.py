"""`make rehearse`: the templates for AWS, deployed by the real command line to two emulators on loopback."""

import sys
import tempfile
from pathlib import Path

from tests.rehearsal import on_ministack, on_moto
from tests.rehearsal.cdk_cli import Cdk, account_environment
from tests.rehearsal.promises import Promises


def main() -> int:
    """Runs both halves, and returns the exit code."""
    promises = Promises()
    with tempfile.TemporaryDirectory(prefix="flotilla-rehearsal-", dir="/tmp") as directory:
        home = Path(directory)
        templates = home / "cdk.out"
        with promises.kept_when("`cdk synth --all` works without a network, and cdk-nag finds nothing unexplained"):
            offline = account_environment("http://127.0.0.1:9", home=home)  # nobody listens there
            Cdk(environment=offline, assembly=templates).synth()
        promises.say("On moto, for what the control plane then holds:")
        on_moto.rehearse(promises, templates=templates, home=home)
        promises.say("On ministack, for what then happens:")
        on_ministack.rehearse(promises, templates=templates, home=home)
    promises.say(f"{promises.kept} promises were kept.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
