"""The option to bake the workers' machine image beforehand, in EC2 Image Builder; docs/machine-image.md says how."""

from hashlib import sha256 as sha256_of

from aws_cdk import Acknowledgment, Aws, RemovalPolicy, Stack, Validations
from aws_cdk.aws_ec2 import Peer, Port, SecurityGroup
from aws_cdk.aws_iam import InstanceProfile, PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_imagebuilder import (
    CfnComponent,
    CfnDistributionConfiguration,
    CfnImagePipeline,
    CfnImageRecipe,
    CfnInfrastructureConfiguration,
)
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from cdk.configuration import Configuration
from cdk.image_component import render_image_component
from cdk.launch_template import ROOT_DEVICE
from cdk.log_retention import KEPT_FOR
from cdk.network import Network

VERSION = "1.0.0"
"""Of every component and recipe: no version can be changed, so it is the name that tells them apart."""
VOLUME_GIB = 16
"""Less than any worker's volume may have: a volume cannot be smaller than the image on it."""
BUILDERS = ["t3.large", "t3a.large", "m6i.large"]
WEEKLY = "cron(0 4 ? * mon *)"
BUILD_DATE = "{{ imagebuilder:buildDate }}"
"""Is filled in by Image Builder, which wants it in the name."""
FAILURES_IN_A_ROW = 3
"""After these nothing is built until a person has looked."""
TOOLS = "ec2imagebuilder*/*"
AGENT_CHANNELS = [
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
    *("ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage"),
    *("ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply"),
]
"""How Systems Manager's agent, by which Image Builder works, hears what to do."""


class ImagePipeline(Construct):
    """`pipeline` makes an encrypted image, in this account and region alone, of what the archive bakes."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        network: Network,
        archive: Asset,
        sha256: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._configuration = configuration
        self._tags = {"flotilla:stage": configuration.stage}
        self._parent = _parent(configuration.machine_image)
        self._name = f"{configuration.prefix}-worker-{_fingerprint(sha256, self._parent)}"
        self._component = self._bake(archive, sha256)
        self._logs = self._log_group()
        self.role = self._role(archive)
        self._acknowledge()
        self.pipeline = self._pipeline(recipe=self._recipe(), place=self._place(network), copies=self._copies())

    def _bake(self, archive: Asset, sha256: str) -> CfnComponent:
        document = render_image_component(bucket=archive.s3_bucket_name, key=archive.s3_object_key, sha256=sha256)
        return CfnComponent(self, "Component", name=self._name, version=VERSION, platform="Linux", data=document)

    def _recipe(self) -> CfnImageRecipe:
        volume = CfnImageRecipe.EbsInstanceBlockDeviceSpecificationProperty(
            encrypted=True, volume_type="gp3", volume_size=VOLUME_GIB, delete_on_termination=True
        )
        return CfnImageRecipe(
            self,
            "Recipe",
            name=self._name,
            version=VERSION,
            parent_image=self._parent,
            components=[CfnImageRecipe.ComponentConfigurationProperty(component_arn=self._component.attr_arn)],
            block_device_mappings=[
                CfnImageRecipe.InstanceBlockDeviceMappingProperty(device_name=ROOT_DEVICE, ebs=volume)
            ],
        )

    def _place(self, network: Network) -> CfnInfrastructureConfiguration:
        """A machine of its own, which reaches packages and AWS, and nothing of the fleet's."""
        outside = SecurityGroup(
            self, "Builder", vpc=network.vpc, description="Flotilla: an image is made", allow_all_outbound=False
        )
        outside.add_egress_rule(Peer.any_ipv4(), Port.HTTPS, "AWS and PyPI")
        outside.add_egress_rule(Peer.any_ipv4(), Port.HTTP, "Ubuntu's archive, whose packages are signed")
        return CfnInfrastructureConfiguration(
            self,
            "Place",
            name=f"{self._configuration.prefix}-worker",
            instance_profile_name=InstanceProfile(self, "Profile", role=self.role).instance_profile_name,
            instance_types=BUILDERS,
            subnet_id=network.vpc.select_subnets(subnet_type=network.workers.subnet_type).subnet_ids[0],
            security_group_ids=[outside.security_group_id],
            instance_metadata_options=CfnInfrastructureConfiguration.InstanceMetadataOptionsProperty(
                http_tokens="required", http_put_response_hop_limit=1
            ),
            terminate_instance_on_failure=True,
            resource_tags=self._tags,
        )

    def _copies(self) -> CfnDistributionConfiguration:
        # As CloudFormation spells it: CDK's own type for this comes out with small letters, which are refused.
        image = {"Name": f"{self._configuration.prefix}-worker {BUILD_DATE}", "AmiTags": self._tags}
        here = CfnDistributionConfiguration.DistributionProperty(
            region=self._configuration.region, ami_distribution_configuration=image
        )
        return CfnDistributionConfiguration(
            self, "Copies", name=f"{self._configuration.prefix}-worker", distributions=[here]
        )

    def _pipeline(
        self,
        *,
        recipe: CfnImageRecipe,
        place: CfnInfrastructureConfiguration,
        copies: CfnDistributionConfiguration,
    ) -> CfnImagePipeline:
        return CfnImagePipeline(
            self,
            "Pipeline",
            name=f"{self._configuration.prefix}-worker",
            image_recipe_arn=recipe.attr_arn,
            infrastructure_configuration_arn=place.attr_arn,
            distribution_configuration_arn=copies.attr_arn,
            enhanced_image_metadata_enabled=False,  # an inventory that nobody reads, and a permission to write it
            image_tags=self._tags,
            schedule=CfnImagePipeline.ScheduleProperty(
                schedule_expression=WEEKLY,
                pipeline_execution_start_condition="EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE",
                auto_disable_policy=CfnImagePipeline.AutoDisablePolicyProperty(failure_count=FAILURES_IN_A_ROW),
            ),
            logging_configuration=CfnImagePipeline.PipelineLoggingConfigurationProperty(
                image_log_group_name=self._logs.log_group_name, pipeline_log_group_name=self._logs.log_group_name
            ),
        )

    def _log_group(self) -> LogGroup:
        return LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/imagebuilder/{self._configuration.prefix}",  # where its own role may write
            retention=KEPT_FOR[self._configuration.log_days],
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _role(self, archive: Asset) -> Role:
        """What the machine may do on which an image is made, in place of the broader policies that AWS manages."""
        role = Role(self, "Role", assumed_by=ServicePrincipal("ec2.amazonaws.com"))
        bucket, key = archive.bucket, archive.s3_object_key
        role.add_to_policy(PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(key)]))
        listing = {"StringEquals": {"s3:prefix": key}}
        role.add_to_policy(
            PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn], conditions=listing)
        )
        role.add_to_policy(PolicyStatement(actions=["imagebuilder:GetComponent"], resources=[self._component.attr_arn]))
        self._logs.grant_write(role)
        tools = f"arn:{Aws.PARTITION}:s3:::{TOOLS}"
        role.add_to_policy(PolicyStatement(actions=["s3:GetObject"], resources=[tools]))
        machines = Stack.of(self).format_arn(service="ec2", resource="instance", resource_name="*")
        role.add_to_policy(PolicyStatement(actions=["ssm:UpdateInstanceInformation"], resources=[machines]))
        role.add_to_policy(PolicyStatement(actions=AGENT_CHANNELS, resources=["*"]))
        return role

    def _acknowledge(self) -> None:
        """Tells cdk-nag why the role has wildcards."""
        account = self._configuration.account or "<AWS::AccountId>"
        known = {
            "*": "The channels on which the agent hears what to do have no ARN.",
            f"arn:<AWS::Partition>:ec2:{self._configuration.region}:{account}:instance/*": (
                "Image Builder makes the machine, so its id is not known beforehand; the agent can report only itself."
            ),
            f"arn:<AWS::Partition>:s3:::{TOOLS}": (
                "Image Builder's own tools lie in buckets of AWS, whose names differ by region; they are only read."
            ),
        }
        for resource, reason in known.items():
            finding = f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]"
            Validations.of(self.role).acknowledge(Acknowledgment(id=finding, reason=reason))


def _parent(machine_image: str) -> str:
    """A parameter is read anew at every build; that it names another image is what the schedule waits for."""
    return machine_image if machine_image.startswith("ami-") else f"ssm:{machine_image}"


def _fingerprint(sha256: str, parent: str) -> str:
    """Of all that an image is made from."""
    document = render_image_component(bucket="", key="", sha256=sha256)
    return sha256_of(f"{document}\n{parent}\n{VOLUME_GIB}".encode()).hexdigest()[:12]
