"""What moto 5.2.5 knows and gets wrong, or cannot do, as far as our templates meet it."""

from datetime import UTC, datetime
from typing import Any

from moto.awslambda.models import LayerVersion
from moto.cloudformation import custom_model
from moto.cloudformation import models as cloudformation
from moto.efs.models import AccessPoint, FileSystem
from moto.rds.models import DBParameterGroup, DBSubnetGroup
from moto.ssm.models import Parameter, ssm_backends

from tests.rehearsal.cdk_cli import ACCOUNT, REGION

CUSTOM_RESOURCES: list[dict[str, Any]] = []
"""The properties of each custom resource: moto runs functions in containers only, so it only takes them down."""


def repair() -> None:
    """Mends all of it. Call it once, before the server starts."""
    _mend(FileSystem, get_cfn_attribute=lambda self, name: {"Arn": self.file_system_arn}[name])
    _mend(AccessPoint, physical_resource_id=property(lambda self: self.access_point_id))
    _mend(LayerVersion, physical_resource_id=property(lambda self: self.arn))
    for named in (DBSubnetGroup, DBParameterGroup):
        _mend(named, physical_resource_id=property(lambda self: self.name))
    _mend(cloudformation.ChangeSet, apply=_apply)
    _mend(cloudformation.CloudFormationBackend, _resolve_update_parameters=_previous_values)
    _mend(custom_model.CustomModel, create_from_cloudformation_json=classmethod(_take_down))


def _mend(kind: type, **members: Any) -> None:
    for name, member in members.items():
        setattr(kind, name, member)


def publish_image(name: str, image: str) -> None:
    """Sets a public parameter of AWS, which no client may."""
    parameter: Any = Parameter  # its own types call it abstract
    ssm_backends[ACCOUNT][REGION]._parameters[name].append(
        parameter(
            account_id=ACCOUNT,
            name=name,
            value=image,
            parameter_type="String",
            description=None,
            allowed_pattern=None,
            keyid=None,
            last_modified_date=datetime.now(UTC).timestamp(),
            version=1,
            data_type="text",
        )
    )


def _take_down(cls: Any, resource_name: str, cloudformation_json: dict[str, Any], *_: Any, **options: Any) -> Any:
    CUSTOM_RESOURCES.append({"Type": options["ResourceType"], **cloudformation_json["Properties"]})
    resource = cls(REGION, "a request", options["LogicalId"], resource_name)
    resource.set_data({})
    return resource


def _previous_values(_: Any, instance: Any, incoming: list[dict[str, Any]]) -> dict[str, Any]:
    """A parameter that keeps its previous value may have had its default one."""
    declared = getattr(instance, "template_dict", {}).get("Parameters", {})
    before = {name: parameter.get("Default") for name, parameter in declared.items()} | dict(instance.parameters)
    return {
        one["ParameterKey"]: before[one["ParameterKey"]] if one.get("UsePreviousValue") else one["ParameterValue"]
        for one in incoming
    }


def _apply(self: Any) -> None:
    """A change set's stack has imports, outputs and exports, as one that was made at once."""
    stack = self.stack
    backend = cloudformation.cloudformation_backends[stack.account_id][stack.region_name]
    stack.cross_stack_resources = stack.resource_map.cross_stack_resources = backend.exports
    stack.resource_map.update(self.template_dict, self.parameters)
    stack.template, stack.template_dict, stack.parameters = self.template, self.template_dict, self.parameters
    stack.output_map = stack._create_output_map()
    backend.exports.update({export.name: export for export in stack.exports})
