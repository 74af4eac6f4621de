"""What was synthesized: the stacks of a cloud assembly and their resources."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def resources(assembly: Path) -> Mapping[str, dict[str, Any]]:
    """The resources of each stack's template, by the stack's name and their logical id."""
    return {
        file.name.removesuffix(".template.json"): json.loads(file.read_text())["Resources"]
        for file in sorted(assembly.glob("*.template.json"))
    }


def every(assembly: Path) -> set[tuple[str, str]]:
    """Each resource as (stack, logical id)."""
    return {(stack, logical_id) for stack, of_stack in resources(assembly).items() for logical_id in of_stack}
