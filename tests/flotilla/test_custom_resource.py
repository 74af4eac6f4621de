"""CloudFormation always gets an answer, and never a secret in it."""

from collections.abc import Iterator

import pytest

from flotilla.custom_resource import Explained, RequestType, answer
from tests.answers import Answers, answers


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as taken:
        yield taken


@pytest.mark.parametrize("kind", list(RequestType))
def test_work_that_is_done_is_a_success(cloudformation: Answers, kind: RequestType) -> None:
    answer(cloudformation.request(kind), name="thing", work=lambda kind: f"did {kind}")
    assert cloudformation.seen == [
        {
            "Status": "SUCCESS",
            "Reason": f"did {kind}",
            "PhysicalResourceId": "thing",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Resource",
        }
    ]


def test_a_failure_that_was_explained_is_shown(cloudformation: Answers) -> None:
    def fail(_: RequestType) -> str:
        raise Explained("FLOTILLA_GROUP is not set")

    answer(cloudformation.request("Create"), name="thing", work=fail)
    (seen,) = cloudformation.seen
    assert (seen["Status"], seen["Reason"]) == ("FAILED", "FLOTILLA_GROUP is not set")


def test_any_other_failure_is_only_named(cloudformation: Answers) -> None:
    def fail(_: RequestType) -> str:
        raise RuntimeError("password=hush")

    answer(cloudformation.request("Update"), name="thing", work=fail)
    (seen,) = cloudformation.seen
    assert seen["Status"] == "FAILED"
    assert "RuntimeError" in seen["Reason"]
    assert "hush" not in str(seen)


def test_the_address_of_the_answer_is_not_logged(cloudformation: Answers, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="flotilla"):
        answer(cloudformation.request("Create"), name="thing", work=lambda _: "done")
    assert "done" in caplog.text
    assert "signature" not in caplog.text


def test_a_long_reason_is_cut_to_what_an_answer_holds(cloudformation: Answers) -> None:
    answer(cloudformation.request("Create"), name="thing", work=lambda _: "long " * 10_000)
    assert len(cloudformation.seen[0]["Reason"]) <= 1_000
