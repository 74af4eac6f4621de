"""What is published is named as agreed, of one stage, and kept by the second."""

from typing import Any

import boto3
import pytest

from flotilla.cloudwatch import Publisher
from flotilla.metrics import NAMESPACE, Metric
from tests.aws_group import REGION

AGREED = {
    "Waiting",
    "Running",
    "OldestWait",
    "SlotsLive",
    "SlotsBusy",
    "Shortfall",
    "RunsGraded",
    "RunsErrored",
    "TrialsPreempted",
}


def test_the_agreed_names_are_kept() -> None:
    assert NAMESPACE == "Flotilla"
    assert {metric.value for metric in Metric} >= AGREED


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def publisher(moto_url: str, asked: list[dict[str, Any]]) -> Publisher:
    """A publisher whose calls are noted on their way."""
    client = boto3.client(
        "cloudwatch",
        endpoint_url=moto_url,
        region_name=REGION,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.meta.events.register(
        "provide-client-params.cloudwatch.PutMetricData", lambda params, **_: asked.append(params)
    )
    return Publisher(client, stage="dev")


def test_all_datapoints_go_in_one_call_each_kept_by_the_second(
    publisher: Publisher, asked: list[dict[str, Any]]
) -> None:
    publisher.publish({Metric.SHORTFALL: 0, Metric.OLDEST_WAIT: 12.5})
    (call,) = asked
    stage = [{"Name": "Stage", "Value": "dev"}]
    assert call == {
        "Namespace": "Flotilla",
        "MetricData": [
            {"MetricName": "Shortfall", "Dimensions": stage, "Value": 0, "Unit": "Count", "StorageResolution": 1},
            {"MetricName": "OldestWait", "Dimensions": stage, "Value": 12.5, "Unit": "Seconds", "StorageResolution": 1},
        ],
    }
