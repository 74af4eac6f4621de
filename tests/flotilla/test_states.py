"""The picture and the table of a run's states say the same, and a terminal state has no way out."""

import pytest

from flotilla.states import ARROWS, TERMINAL, WAITING, RunState


def test_every_state_has_its_row_of_arrows() -> None:
    assert set(ARROWS) == set(RunState)


def test_the_terminal_states_are_those_without_a_way_out() -> None:
    assert {RunState.GRADED, RunState.ERRORED, RunState.CANCELLED} == TERMINAL


def test_a_run_is_waiting_running_or_terminal() -> None:
    assert WAITING | TERMINAL | {RunState.RUNNING} == set(RunState)
    assert not WAITING & TERMINAL


@pytest.mark.parametrize("state", [state for state in RunState if state not in TERMINAL])
def test_every_open_state_can_be_cancelled(state: RunState) -> None:
    assert RunState.CANCELLED in ARROWS[state]
