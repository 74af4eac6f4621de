"""What others know of good templates: cdk-nag's AwsSolutions rules, and cfn-lint."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.cdk.templates import Json, Templates

if TYPE_CHECKING:
    from cdk.stage import Stage

ROOT = Path(__file__).parents[2]


def test_cdk_nag_finds_nothing_that_is_not_explained(make_stage: "Callable[..., Stage]") -> None:
    report = _nag_report(make_stage())
    assert [violation["ruleName"] for violation in report["violations"]] == []
    assert all(len(known["reason"].split()) > 5 for known in report["suppressedViolations"])


def test_cdk_nag_would_find_what_is_not_explained(make_stage: "Callable[..., Stage]") -> None:
    from aws_cdk.aws_sqs import Queue  # noqa: PLC0415

    stage = make_stage()
    Queue(stage.ground.queues, "Open")
    found = {violation["ruleName"] for violation in _nag_report(stage)["violations"]}
    assert found == {"AwsSolutions-SQS3", "AwsSolutions-SQS4"}


def test_cfn_lint_finds_nothing(templates: Templates) -> None:
    files = sorted(str(path) for path in templates.directory.glob("*.template.json"))
    assert len(files) == len(templates.stacks)
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "us-east-1", "--template", *files]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def _nag_report(stage: "Stage") -> Json:
    """What cdk-nag says when the stage's application is synthesized, as `app.py` has it do."""
    from aws_cdk import App, Validations  # noqa: PLC0415
    from cdk_nag import AwsSolutionsChecks  # noqa: PLC0415

    app = cast(App, stage.workers.node.root)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        assert "ValidationFailed" in str(error)
    report = json.loads((Path(app.outdir) / "validation-report.json").read_text())
    (nag,) = [one for one in report["pluginReports"] if one["pluginName"] == "AwsSolutions"]
    return cast(Json, nag)
