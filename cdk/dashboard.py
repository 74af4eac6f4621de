"""One page that shows what the fleet does."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Dashboard, GraphWidget, IMetric, IWidget, Metric
from constructs import Construct

from cdk.configuration import Configuration
from cdk.watch import fleet_metric
from flotilla.metrics import Metric as Name

WIDTH = 12  # of 24 columns


class FleetDashboard(Construct):
    """What waits and runs, what is there for it, how it ends, and what the parts say."""

    def __init__(
        self, scope: Construct, construct_id: str, *, configuration: Configuration, parts: dict[str, list[IMetric]]
    ) -> None:
        super().__init__(scope, construct_id)
        self._configuration = configuration
        rows: list[list[IWidget]] = [
            [
                self._graph("Runs", self._own(Name.WAITING, Name.RUNNING)),
                self._graph("Slots", self._own(Name.SLOTS_LIVE, Name.SLOTS_BUSY)),
            ],
            [
                self._graph("Workers short", self._own(Name.SHORTFALL, Name.LAUNCHES_STOPPED)),
                self._graph("Workers in the group", self._group()),
            ],
            [
                self._graph("Longest wait (s)", self._own(Name.OLDEST_WAIT)),
                self._graph("Ends", self._ends()),
            ],
            [self._graph(title, metrics) for title, metrics in parts.items()],
        ]
        Dashboard(self, "Dashboard", dashboard_name=configuration.prefix, widgets=rows)

    def _own(self, *names: Name) -> list[IMetric]:
        return [fleet_metric(name, stage=self._configuration.stage) for name in names]

    def _ends(self) -> list[IMetric]:
        names = (Name.RUNS_GRADED, Name.RUNS_ERRORED, Name.TRIALS_PREEMPTED, Name.UNCLASSIFIED_ENDINGS)
        return [fleet_metric(name, stage=self._configuration.stage, statistic="Sum") for name in names]

    def _group(self) -> list[IMetric]:
        return [
            Metric(
                namespace="AWS/AutoScaling",
                metric_name=name,
                dimensions_map={"AutoScalingGroupName": self._configuration.group},
                statistic="Maximum",
                period=Duration.minutes(1),
            )
            for name in ("GroupDesiredCapacity", "GroupInServiceInstances", "GroupTerminatingInstances")
        ]

    def _graph(self, title: str, metrics: list[IMetric]) -> GraphWidget:
        return GraphWidget(title=title, left=metrics, width=WIDTH)
