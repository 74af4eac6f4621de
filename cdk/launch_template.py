"""What a worker's machine is made of."""

from aws_cdk.aws_ec2 import (
    BlockDevice,
    BlockDeviceVolume,
    CpuCredits,
    EbsDeviceVolumeType,
    IMachineImage,
    InstanceInitiatedShutdownBehavior,
    ISecurityGroup,
    LaunchTemplate,
    LaunchTemplateHttpTokens,
    MachineImage,
    OperatingSystemType,
    UserData,
)
from aws_cdk.aws_iam import InstanceProfile, IRole
from constructs import Construct

from cdk import configuration as configured
from cdk.configuration import Configuration

ROOT_DEVICE = "/dev/sda1"
"""Of Ubuntu's images."""
CREDITS = {
    configured.CpuCredits.STANDARD: CpuCredits.STANDARD,
    configured.CpuCredits.UNLIMITED: CpuCredits.UNLIMITED,
}


class WorkerTemplates(Construct):
    """`steady` is for machines with a CPU of their own; `burstable` says how credits are spent, as only theirs may."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        role: IRole,
        security_group: ISecurityGroup,
        user_data: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._configuration = configuration
        self._profile = InstanceProfile(self, "Profile", role=role)
        self._security_group = security_group
        self._user_data = user_data
        self._image = _image(configuration.baked_image or configuration.machine_image, region=configuration.region)
        self.steady = self._template("Steady", cpu_credits=None)
        self.burstable = self._template("Burstable", cpu_credits=CREDITS[configuration.cpu_credits])

    def _template(self, construct_id: str, *, cpu_credits: CpuCredits | None) -> LaunchTemplate:
        return LaunchTemplate(
            self,
            construct_id,
            launch_template_name=f"{self._configuration.prefix}-worker-{construct_id.lower()}",
            machine_image=self._image,
            user_data=UserData.custom(self._user_data),
            instance_profile=self._profile,
            security_group=self._security_group,
            cpu_credits=cpu_credits,
            block_devices=[BlockDevice(device_name=ROOT_DEVICE, volume=self._volume())],
            ebs_optimized=True,
            http_endpoint=True,
            http_tokens=LaunchTemplateHttpTokens.REQUIRED,
            http_put_response_hop_limit=1,  # a container is one hop further away
            instance_initiated_shutdown_behavior=InstanceInitiatedShutdownBehavior.TERMINATE,  # a boot that failed
        )

    def _volume(self) -> BlockDeviceVolume:
        return BlockDeviceVolume.ebs(
            self._configuration.volume_gib,
            volume_type=EbsDeviceVolumeType.GP3,
            throughput=self._configuration.volume_throughput,
            encrypted=True,
            delete_on_termination=True,
        )


def _image(name: str, *, region: str) -> IMachineImage:
    if name.startswith("ami-"):
        return MachineImage.generic_linux({region: name})
    return MachineImage.from_ssm_parameter(name, os=OperatingSystemType.LINUX)
