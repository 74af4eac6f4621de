"""Python and PostgreSQL cannot disagree: tables, enums, and the facts that the database itself holds together."""

from enum import StrEnum

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from flotilla.causes import Cause
from flotilla.layout import BundleFormat
from flotilla.schema import alembic_config, migrate
from flotilla.states import BootOutcome, JobState, Priority, RunState, TrialState, WaitingOn, WorkerState
from flotilla.store.endings import Ending
from flotilla.tables import metadata
from tests.flotilla.fleet import Fleet
from tests.flotilla.store.invariants import check


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run_state", RunState),
        ("trial_state", TrialState),
        ("job_state", JobState),
        ("worker_state", WorkerState),
        ("priority", Priority),
        ("waiting_on", WaitingOn),
        ("boot_outcome", BootOutcome),
        ("bundle_format", BundleFormat),
    ],
)
def test_an_enum_has_the_same_words_in_python_and_in_postgresql(
    engine: Engine, name: str, words: type[StrEnum]
) -> None:
    with engine.connect() as connection:
        labels = connection.execute(text(f"SELECT unnest(enum_range(NULL::{name}))::text")).scalars()
        assert list(labels) == [word.value for word in words]


@pytest.mark.parametrize(
    "nonsense",
    [
        "state = 'graded', waiting_on = NULL, waiting_since = NULL, finished_at = now()",
        "state = 'errored', waiting_on = NULL, waiting_since = NULL, finished_at = now()",
        "state = 'running', waiting_on = NULL, waiting_since = NULL",
        "finished_at = now()",
        "waiting_on = NULL",
        "number = 0",
    ],
)
def test_the_database_refuses_a_run_whose_facts_contradict_each_other(fleet: Fleet, nonsense: str) -> None:
    (run_id,) = fleet.job()
    with pytest.raises(IntegrityError):
        fleet.do(lambda connection: connection.execute(text(f"UPDATE runs SET {nonsense} WHERE id = '{run_id}'")))


@pytest.mark.parametrize("later_word", [WaitingOn.LAUNCHES, WaitingOn.OTHER_HOST, WaitingOn.MEMORY])
def test_a_release_can_be_taken_back_and_come_again(engine: Engine, fleet: Fleet, later_word: WaitingOn) -> None:
    (run_id,) = fleet.job()
    fleet.do(lambda c: c.execute(text(f"UPDATE runs SET state = 'queued', waiting_on = '{later_word}'")))
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    assert fleet.row(run_id).waiting_on == WaitingOn.WORKER
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_jobs_of_an_earlier_release_get_their_tally(engine: Engine, fleet: Fleet) -> None:
    graded, errored, running, _ = fleet.job(runs=4)
    worker_id = fleet.worker()
    leases = [fleet.claimed(run_id, worker_id).lease for run_id in (graded, errored, running)]
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0007-1")
    fleet.finish(leases[0], Ending(state=TrialState.GRADED, rewards={"reward": 0.5}))
    fleet.finish(leases[1], Ending(state=TrialState.ERRORED, cause=Cause.VERIFIER))
    migrate(engine)
    check(fleet)
    fleet.finish(leases[2], Ending(state=TrialState.GRADED, rewards={"reward": 1.0}))
    check(fleet)
    job = fleet.job_row(graded)
    assert (job.graded, job.errored, job.rewarded, job.reward_sum) == (2, 1, 2, 1.5)
