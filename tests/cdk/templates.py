"""The synthesized templates, to be asked questions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdk.stage import Stage

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of one stack."""

    stack: str
    logical_id: str
    whole: Json

    @property
    def properties(self) -> Json:
        """What the template says of it, without how it is removed and what it depends on."""
        return dict(self.whole.get("Properties", {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The template of each stack, by the last part of the stack's name."""

    stacks: Mapping[str, Json]
    directory: Path

    def all(self) -> Iterator[Resource]:
        """Every resource of every stack."""
        for stack, template in self.stacks.items():
            for logical_id, whole in template["Resources"].items():
                yield Resource(stack=stack, logical_id=logical_id, whole=whole)

    def of_type(self, kind: str) -> list[Resource]:
        """The resources of a type such as `AWS::SQS::Queue`."""
        return [resource for resource in self.all() if resource.whole["Type"] == kind]

    def only(self, kind: str) -> Resource:
        """The one resource of a type that there is to be one of."""
        (resource,) = self.of_type(kind)
        return resource

    def named(self, kind: str, begin: str) -> Resource:
        """The one resource of a type whose logical id begins so."""
        (resource,) = [resource for resource in self.of_type(kind) if resource.logical_id.startswith(begin)]
        return resource

    def statements(self, role: str) -> list[Json]:
        """What the policies say of the role whose logical id begins so."""
        return [
            statement
            for policy in self.of_type("AWS::IAM::Policy")
            if any(str(held.get("Ref", "")).startswith(role) for held in policy.properties["Roles"])
            for statement in policy.properties["PolicyDocument"]["Statement"]
        ]

    def actions(self, role: str) -> set[str]:
        """Every action that the role may take somewhere."""
        return {action for statement in self.statements(role) for action in as_list(statement["Action"])}


def as_list(value: Any) -> list[Any]:
    """What IAM writes as a list or, if there is one, as that."""
    return value if isinstance(value, list) else [value]


def synthesized(stage: "Stage") -> Templates:
    """The templates of the stage's application."""
    assembly = stage.ground.network.node.root.synth()  # type: ignore[attr-defined]
    stacks = {
        stack.stack_name.rsplit("-", 1)[1]: json.loads(Path(stack.template_full_path).read_text())
        for stack in assembly.stacks
    }
    return Templates(stacks=stacks, directory=Path(assembly.directory))
