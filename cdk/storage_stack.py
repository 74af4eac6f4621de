"""The stack of the files: those that are shared while runs go on, and those that are kept."""

from aws_cdk import CfnOutput, Environment, Stack
from constructs import Construct

from cdk.archive import Archive
from cdk.network import Network
from cdk.shared_files import SharedFiles


class StorageStack(Stack):
    """`files` and `archive`; both stay when the stack goes."""

    def __init__(self, scope: Construct, construct_id: str, *, network: Network, env: Environment) -> None:
        super().__init__(scope, construct_id, description="Flotilla: the shared file system and the archive", env=env)
        self.files = SharedFiles(
            self,
            "Files",
            vpc=network.vpc,
            subnets=network.functions,
            security_group=network.files_group,
        )
        self.archive = Archive(self, "Archive")
        CfnOutput(self, "FileSystem", value=self.files.file_system.file_system_id)
        CfnOutput(self, "ArchiveBucket", value=self.archive.bucket.bucket_name)
