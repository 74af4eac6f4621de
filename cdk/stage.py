"""A stage: one whole fleet under one name, beside which others can live in the same account."""

from aws_cdk import App, Environment, Tags

from cdk.acknowledgements import acknowledge
from cdk.api_stack import ApiStack
from cdk.cargo import Cargo
from cdk.configuration import Configuration
from cdk.database_stack import DatabaseStack
from cdk.feasibility import require
from cdk.ground import Ground
from cdk.network_stack import NetworkStack
from cdk.observability_stack import ObservabilityStack
from cdk.queue_stack import QueueStack
from cdk.storage_stack import StorageStack
from cdk.worker_stack import WorkerStack


class Stage:
    """The stacks of one stage, each named after it. They are the app's own, so `cdk deploy --all` takes them."""

    def __init__(self, app: App, *, configuration: Configuration, cargo: Cargo) -> None:
        require(configuration)
        prefix = configuration.prefix
        env = Environment(account=configuration.account, region=configuration.region)
        network = NetworkStack(app, f"{prefix}-network", configuration=configuration, env=env)
        self.ground = Ground(
            network=network,
            storage=StorageStack(app, f"{prefix}-storage", network=network.network, env=env),
            queues=QueueStack(app, f"{prefix}-queues", prefix=prefix, env=env),
            database=DatabaseStack(
                app, f"{prefix}-database", configuration=configuration, network=network, wheels=cargo.wheels, env=env
            ),
        )
        self.api = ApiStack(
            app, f"{prefix}-api", configuration=configuration, ground=self.ground, wheels=cargo.wheels, env=env
        )
        self.workers = WorkerStack(
            app, f"{prefix}-workers", configuration=configuration, ground=self.ground, cargo=cargo, env=env
        )
        self.observability = ObservabilityStack(
            app, f"{prefix}-observability", configuration=configuration, ground=self.ground, api=self.api, env=env
        )
        self.api.add_stack_dependency(self.ground.database)  # its schema comes before any traffic
        self.workers.add_stack_dependency(self.api)  # nobody counts workers before there is a pulse
        acknowledge(configuration=configuration, ground=self.ground, api=self.api, workers=self.workers)
        Tags.of(app).add("flotilla:stage", configuration.stage)
