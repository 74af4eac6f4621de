"""The stack of the workers: their machines, the group, what makes it grow, and what is done for it at its end."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Environment, Stack
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from cdk import grants
from cdk.cargo import Cargo
from cdk.configuration import Configuration
from cdk.fleet_function import FleetFunction, Size
from cdk.function_code import FunctionCode
from cdk.ground import Ground
from cdk.group_errands import GroupErrands
from cdk.image_pipeline import ImagePipeline
from cdk.launch_template import WorkerTemplates
from cdk.scale_out import ScaleOut
from cdk.user_data import WorkerBoot, render_user_data
from cdk.worker_group import WorkerGroup
from cdk.worker_runtime import digest


class WorkerStack(Stack):
    """`workers` is the group; `scale_out` its alarms."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        ground: Ground,
        cargo: Cargo,
        env: Environment,
    ) -> None:
        super().__init__(scope, construct_id, description="Flotilla: the spot workers", env=env)
        self._configuration = configuration
        self._network = ground.network.network
        self._secret = ground.database.database.secret
        self._files = ground.storage.files
        self._queues = ground.queue_pair
        archive = Asset(self, "Runtime", path=str(cargo.runtime))
        sha256 = digest(cargo.runtime)
        self.workers = self._workers(archive, self._boot(archive, sha256=sha256))
        if configuration.image_pipeline:
            self._bake(archive, sha256=sha256)
        self.errands = self._errands(cargo.wheels)
        self.scale_out = ScaleOut(self, "ScaleOut", configuration=configuration, queues=self._queues)
        self.scale_out.node.add_dependency(self.errands)  # so that nothing grows any more while the group is emptied
        CfnOutput(self, "Group", value=configuration.group)

    def _boot(self, archive: Asset, *, sha256: str) -> WorkerBoot:
        high, normal = self._queues
        return WorkerBoot(
            region=self._configuration.region,
            runtime_bucket=archive.s3_bucket_name,
            runtime_key=archive.s3_object_key,
            runtime_sha256=sha256,
            file_system=self._files.file_system.file_system_id,
            access_point=self._files.workers.access_point_id,
            blocked_networks=[str(self._configuration.vpc_cidr)],
            settings={
                "FLOTILLA_DATABASE_SECRET": self._secret.secret_arn,
                "FLOTILLA_QUEUE_HIGH_URL": high.queue.queue_url,
                "FLOTILLA_QUEUE_URL": normal.queue.queue_url,
                "FLOTILLA_SLOTS": str(self._configuration.slots),
                "FLOTILLA_CPU_OVERCOMMIT": f"{self._configuration.cpu_overcommit:g}",
                "FLOTILLA_MEMORY_OVERCOMMIT": f"{self._configuration.memory_overcommit:g}",
                "FLOTILLA_STORAGE_OVERCOMMIT": f"{self._configuration.storage_overcommit:g}",
                "FLOTILLA_ALLOW_HOST_ACCESS": str(self._configuration.allow_host_access).lower(),
                "FLOTILLA_GROUP": self._configuration.group,
                "FLOTILLA_LIFECYCLE_HOOK": self._configuration.leaving_hook,
                "FLOTILLA_SECRETS_PREFIX": grants.secrets_prefix(self._configuration),
                "FLOTILLA_ENVIRONMENT": "docker",  # the sandbox shares its host's kernel and account with the worker
            },
        )

    def _workers(self, archive: Asset, boot: WorkerBoot) -> WorkerGroup:
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("ec2.amazonaws.com"))
        grants.to_worker(
            self.role,
            configuration=self._configuration,
            database=self._secret,
            files=self._files,
            queues=self._queues,
            runtime=archive,
        )
        templates = WorkerTemplates(
            self,
            "Machine",
            configuration=self._configuration,
            role=self.role,
            security_group=self._network.worker_group,
            user_data=render_user_data(boot),
        )
        workers = WorkerGroup(
            self,
            "Workers",
            configuration=self._configuration,
            templates=templates,
            vpc=self._network.vpc,
            subnets=self._network.workers,
        )
        workers.node.add_dependency(self.role)  # a worker that may do nothing yet gives up
        return workers

    def _bake(self, archive: Asset, *, sha256: str) -> None:
        images = ImagePipeline(
            self, "Images", configuration=self._configuration, network=self._network, archive=archive, sha256=sha256
        )
        CfnOutput(self, "ImagePipeline", value=images.pipeline.attr_arn)

    def _errands(self, wheels: Path) -> GroupErrands:
        self.drain = FleetFunction(
            self,
            "Drain",
            name="drain_fleet",
            code=FunctionCode(self, "Code", wheels_directory=wheels),
            configuration=self._configuration,
            size=Size(timeout=Duration.minutes(15), memory_mib=256),
            environment={"FLOTILLA_GROUP": self._configuration.group},
        )
        grants.to_group_errands(self.drain.role, configuration=self._configuration)
        return GroupErrands(self, "Errands", function=self.drain, group=self.workers)
