"""Our list of agents against Harbor's own."""

from harbor.models.agent.name import AgentName

from flotilla.agents import AGENTS, NEEDS_NO_MODEL


def test_our_agents_are_exactly_those_that_harbor_knows() -> None:
    assert AgentName.values() == AGENTS


def test_agents_that_need_no_model_are_agents() -> None:
    assert NEEDS_NO_MODEL <= AGENTS
