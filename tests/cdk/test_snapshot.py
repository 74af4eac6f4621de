"""The templates against those last looked at: a change that no promise speaks of is at least seen.

`make snapshot` writes them anew; the difference is for the reviewer.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cdk.templates import Json, Templates

DIRECTORY = Path(__file__).parent / "snapshot"
WRITES = os.environ.get("FLOTILLA_SNAPSHOT") == "write"
DIGEST = re.compile(r"[0-9a-f]{64}")
PASSING = {"Metadata", "Tags", "TagSpecifications", "FileSystemTags", "HostedZoneTags"}
"""Where a construct stands in the tree, and tags, of which a promise speaks."""
ELSEWHERE = {"UserData", "DashboardBody", "SecretStringTemplate"}
"""Long texts that have tests of their own."""
STACKS = ["api", "database", "network", "observability", "queues", "storage", "workers"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_is_as_it_was_last_looked_at(templates: Templates, stack: str) -> None:
    now = json.dumps(_normal(templates.stacks[stack]), indent=1, sort_keys=True) + "\n"
    file = DIRECTORY / f"{stack}.json"
    if WRITES:
        DIRECTORY.mkdir(exist_ok=True)
        file.write_text(now)
    assert json.loads(now) == json.loads(file.read_text()), "if this is meant, run `make snapshot`"


def test_every_stack_has_a_snapshot(templates: Templates) -> None:
    assert set(templates.stacks) == set(STACKS) == {file.stem for file in DIRECTORY.glob("*.json")}


def _normal(template: Json) -> Any:
    """Without what changes with every line of code, and without what CDK writes into every template."""
    kept = {name: template[name] for name in ("Description", "Resources", "Outputs") if name in template}
    return _pruned(kept)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: "ELSEWHERE" if key in ELSEWHERE else _pruned(part) for key, part in value.items()}
        return {key: part for key, part in kept.items() if key not in PASSING}
    if isinstance(value, list):
        return [_pruned(part) for part in value]
    return DIGEST.sub("DIGEST", value) if isinstance(value, str) else value
