"""What the tests of Lambda functions share: an environment like Lambda's, with moto as AWS."""

import pytest

from tests.aws_group import REGION, AwsGroup, autoscaling


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> pytest.MonkeyPatch:
    """AWS is moto; the function's own variables are the test's to set."""
    variables = {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def group(moto_url: str) -> AwsGroup:
    return AwsGroup(autoscaling(moto_url))
