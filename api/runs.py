"""`/v1/runs`: one repetition, its trials, and Harbor's result."""

from fastapi import APIRouter, Response

from api.authentication import Caller
from api.context import Context
from api.problems import Kind, Problem, documented
from api.schemas import Id
from flotilla.states import TERMINAL
from flotilla.store.reading import get_run, get_verdict
from flotilla.store.shown import RunHistory, Verdict

router = APIRouter(prefix="/runs", tags=["runs"])


def no_run(run_id: str) -> Problem:
    """That the caller has no such run."""
    return Problem(Kind.NOT_FOUND, f"there is no run {run_id}")


@router.get("/{run_id}", operation_id="get_run", responses=documented(Kind.NOT_FOUND))
def show_run(run_id: Id, context: Context, caller: Caller) -> RunHistory:
    """Shows a run with its trials, oldest first."""
    with context.engine.begin() as connection:
        run = get_run(connection, run_id=run_id, tenant=caller.tenant)
    if run is None:
        raise no_run(run_id)
    return run


@router.get(
    "/{run_id}/result",
    operation_id="get_result",
    response_class=Response,
    responses={
        200: {
            "description": "Harbor's own result.json of the trial that counts",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **documented(Kind.NOT_FOUND, Kind.NO_RESULT),
    },
)
def show_result(run_id: Id, context: Context, caller: Caller) -> Response:
    """Gives Harbor's result document of a run that is over."""
    with context.engine.begin() as connection:
        verdict = get_verdict(connection, run_id=run_id, tenant=caller.tenant)
    if verdict is None:
        raise no_run(run_id)
    if verdict.state not in TERMINAL or verdict.result is None:
        raise Problem(Kind.NO_RESULT, _why_none(run_id, verdict))
    return Response(verdict.result, media_type="application/json")


def _why_none(run_id: str, verdict: Verdict) -> str:
    if verdict.state not in TERMINAL:
        return f"run {run_id} is {verdict.state}; ask again when it is over"
    return f"run {run_id} ended {verdict.state} ({verdict.cause}) before Harbor wrote a result; its trials say more"
