"""The stretches of a run's way."""

import pytest

from bench.pipeline_split import split

START = 1_764_000_000.0  # 2025-11-24T16:00:00Z
HISTORY = {"finished_at": "2025-11-24T16:00:01.200Z", "trials": [{"started_at": "2025-11-24T16:00:00.100Z"}]}
RESULT = {
    "started_at": "2025-11-24T16:00:00.200Z",
    "environment_setup": {"finished_at": "2025-11-24T16:00:00.500Z"},
    "agent_setup": None,
    "agent_execution": {"finished_at": "2025-11-24T16:00:00.700Z"},
    "verifier": {"finished_at": "2025-11-24T16:00:00.900Z"},
    "finished_at": "2025-11-24T16:00:01Z",
}


def test_the_stretches_follow_each_other_and_add_up_to_the_whole() -> None:
    stretches = split(HISTORY, RESULT, asked=START, seen=START + 1.25)
    assert stretches == pytest.approx(
        {
            "request to lease": 0.1,
            "lease to Harbor's start": 0.1,
            "Harbor's environment setup": 0.3,
            "Harbor's agent execution": 0.2,
            "Harbor's verifier": 0.2,
            "the rest in Harbor": 0.1,
            "shipping and publication": 0.2,
            "until the API was seen to say so": 0.05,
        },
        abs=1e-3,
    )
    assert sum(stretches.values()) == pytest.approx(1.25, abs=1e-3)
