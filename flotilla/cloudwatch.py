"""Publishes the fleet's metrics to CloudWatch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flotilla.metrics import NAMESPACE, RESOLUTION_SECONDS, STAGE_DIMENSION, Metric, unit

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient


class Publisher:
    """Writes metrics of one stage."""

    def __init__(self, client: "CloudWatchClient", *, stage: str) -> None:
        self._client = client
        self._dimensions = [{"Name": STAGE_DIMENSION, "Value": stage}]

    def publish(self, values: Mapping[Metric, float]) -> None:
        """Writes one datapoint of each, of this moment, in one call. Raises what boto3 raises."""
        self._client.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": metric.value,
                    "Dimensions": self._dimensions,  # type: ignore[typeddict-item]
                    "Value": value,
                    "Unit": unit(metric),  # type: ignore[typeddict-item]
                    "StorageResolution": RESOLUTION_SECONDS,
                }
                for metric, value in values.items()
            ],
        )
