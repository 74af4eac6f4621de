"""A worker of a broken build: its endings are written whoever holds the run, and nothing tells it to stop.

The drill must see through it.
"""

import os
from typing import Any

from sqlalchemy import Connection, text

from flotilla.states import RunState
from flotilla.store import endings
from flotilla.store.documents import as_json
from flotilla.store.endings import Ending
from worker_agent import assignment
from worker_agent.__main__ import main
from worker_agent.verdict import Stopped

_HOLDER = text("SELECT state, token, trial_id FROM runs WHERE id = :run")
_OVERWRITE = text("UPDATE runs SET reward = :reward, rewards = CAST(:rewards AS jsonb) WHERE id = :run")


def finish_unfenced(connection: Connection, *, run_id: str, ending: Ending, **_: Any) -> RunState | None:
    """Ends the run in the name of whoever holds it; one that has ended gets another reward."""
    holder = connection.execute(_HOLDER, {"run": run_id}).one()
    if holder.state == RunState.RUNNING:
        return endings.finish(connection, run_id=run_id, token=holder.token, trial_id=holder.trial_id, ending=ending)
    if holder.state == RunState.GRADED and ending.rewards:
        rewards = as_json(ending.rewards)
        connection.execute(_OVERWRITE, {"run": run_id, "reward": ending.reward, "rewards": rewards})
    return RunState(holder.state)


def stop_unless_lost(self: assignment.Assignment, reason: Stopped) -> None:
    """A lost lease stops nothing."""
    if reason is not Stopped.LEASE_LOST:
        _stop(self, reason)


_stop = assignment.Assignment.stop

if __name__ == "__main__":
    setattr(assignment, "finish", finish_unfenced)  # noqa: B010 - it is not the module's to give away
    assignment.Assignment.stop = stop_unless_lost  # type: ignore[method-assign] # that is what is broken
    os._exit(main())
