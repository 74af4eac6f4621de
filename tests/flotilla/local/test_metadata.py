"""The metadata endpoint speaks IMDSv2 as botocore knows it, and says of each instance what it was told to say."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from botocore.utils import IMDSFetcher

from flotilla.local.metadata import Metadata, serving

NOW = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
TOKEN = "X-aws-ec2-metadata-token"
LIFETIME = "X-aws-ec2-metadata-token-ttl-seconds"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metadata(clock: Clock) -> Metadata:
    return Metadata(clock=clock)


@pytest.fixture
def http(metadata: Metadata) -> Iterator[httpx.Client]:
    with serving(metadata) as url, httpx.Client(base_url=url) as client:
        yield client


def read(http: httpx.Client, item: str, *, of: str = "") -> httpx.Response:
    token = http.put(f"{of}/latest/api/token", headers={LIFETIME: "60"}).text
    return http.get(f"{of}/latest/meta-data/{item}", headers={TOKEN: token})


def test_nothing_happens_to_an_instance_until_it_is_told_to(http: httpx.Client) -> None:
    for item in ("spot/instance-action", "events/recommendations/rebalance", "autoscaling/target-lifecycle-state"):
        assert read(http, item).status_code == 404


def test_a_spot_notice_names_the_machines_end_to_the_second(http: httpx.Client) -> None:
    assert http.put("/control/spot", json={"seconds": 120}).status_code == 204
    assert read(http, "spot/instance-action").json() == {"action": "terminate", "time": "2026-01-31T12:02:00Z"}
    http.put("/control/spot", json={"time": "2026-01-31T14:00:00+01:00"})
    assert read(http, "spot/instance-action").json()["time"] == "2026-01-31T13:00:00Z"


def test_a_rebalance_recommendation_and_a_lifecycle_state_are_what_aws_writes(http: httpx.Client) -> None:
    http.put("/control/rebalance")
    http.put("/control/lifecycle", json={"state": "Terminated"})
    assert read(http, "events/recommendations/rebalance").json() == {"noticeTime": "2026-01-31T12:00:00Z"}
    assert read(http, "autoscaling/target-lifecycle-state").text == "Terminated"


def test_what_was_said_can_be_taken_back(http: httpx.Client) -> None:
    http.put("/control/spot", json={"seconds": 120})
    assert http.delete("/control/spot").status_code == 204
    assert read(http, "spot/instance-action").status_code == 404


def test_each_instance_is_spoken_of_apart(http: httpx.Client) -> None:
    http.put("/i-2/control/spot", json={"seconds": 120})
    assert read(http, "spot/instance-action", of="/i-1").status_code == 404
    assert read(http, "spot/instance-action", of="/i-2").status_code == 200
    assert read(http, "spot/instance-action").status_code == 404


def test_nothing_is_read_without_a_token_that_holds(http: httpx.Client, clock: Clock) -> None:
    item = "/latest/meta-data/autoscaling/target-lifecycle-state"
    http.put("/control/lifecycle", json={"state": "InService"})
    assert http.get(item).status_code == 401
    token = http.put("/latest/api/token", headers={LIFETIME: "60"}).text
    assert http.get(item, headers={TOKEN: token}).status_code == 200
    clock.now += timedelta(seconds=61)
    assert http.get(item, headers={TOKEN: token}).status_code == 401


def test_tokens_can_be_made_to_hold_no_longer(http: httpx.Client) -> None:
    token = http.put("/latest/api/token", headers={LIFETIME: "60"}).text
    http.delete("/control/tokens")
    assert http.get("/latest/meta-data/spot/instance-action", headers={TOKEN: token}).status_code == 401


@pytest.mark.parametrize("lifetime", ["", "0", "21601", "long"])
def test_a_token_says_how_long_it_is_to_hold(http: httpx.Client, lifetime: str) -> None:
    assert http.put("/latest/api/token", headers={LIFETIME: lifetime}).status_code == 400


@pytest.mark.parametrize("order", [("spot", "{}"), ("spot", "120"), ("lifecycle", "{"), ("weather", "{}")])
def test_an_order_that_nobody_understands_is_refused(http: httpx.Client, order: tuple[str, str]) -> None:
    item, body = order
    assert http.put(f"/control/{item}", content=body).status_code == 400
    assert read(http, "spot/instance-action").status_code == 404


def test_a_time_without_a_zone_is_refused(http: httpx.Client) -> None:
    answer = http.put("/control/spot", json={"time": "2026-01-31T12:00:00"})
    assert (answer.status_code, "zone" in answer.text) == (400, True)


def test_botocore_gets_its_token_here_too(metadata: Metadata) -> None:
    with serving(metadata) as url:
        fetcher = IMDSFetcher(base_url=f"{url}/i-1/", num_attempts=1)
        assert metadata.holds("i-1", fetcher._fetch_metadata_token())  # type: ignore[attr-defined]


def test_as_a_process_it_serves_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "flotilla.local.metadata", "--port", "0", "--die-with-parent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        with httpx.Client(base_url=url) as http:
            http.put("/control/spot", json={"seconds": 120})
            assert read(http, "spot/instance-action").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
