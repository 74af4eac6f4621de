from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from api.app import ApiContext, create_app
from flotilla import __version__, database
from flotilla.layout import Layout
from flotilla.local.postgres import running
from flotilla.store.keys import revoke_keys
from tests.api.fleet import Fleet
from tests.api.serving import client, serving
from tests.run_queues import RunQueues


def operations(context: ApiContext) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in create_app(context).openapi()["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_health_is_told_to_anybody(url: str) -> None:
    answer = httpx.get(f"{url}/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__, "database": "ok"}


def test_every_path_below_v1_asks_for_a_key(url: str, context: ApiContext) -> None:
    document = create_app(context).openapi()
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods:
            if path.startswith("/v1/"):
                answer = httpx.request(method, url + path.replace("{", "").replace("}", ""))
                assert answer.status_code == 401, path
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert answer.headers["Content-Type"] == "application/problem+json"
                asked += 1
    assert asked == 18


@pytest.mark.parametrize("header", ["Bearer fl_unknown", "Bearer \xe9", "Basic dTpw", "Bearer", "Bearer "])
def test_a_key_that_is_none_is_refused(url: str, header: str) -> None:
    answer = httpx.get(f"{url}/v1/jobs", headers={b"Authorization": header.strip().encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused(api: httpx.Client, engine: Engine) -> None:
    assert api.get("/v1/jobs").status_code == 200
    with engine.begin() as connection:
        revoke_keys(connection, name="tests")
    answer = api.get("/v1/jobs")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_path_that_is_none_and_a_method_that_is_not_for_it_are_problems(api: httpx.Client) -> None:
    nowhere = api.get("/v1/nothing here")
    assert (nowhere.status_code, nowhere.json()["instance"]) == (404, "/v1/nothing%20here")
    wrong = api.delete("/v1/jobs")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "/problems/method-not-allowed")
    assert wrong.headers["Allow"] == "GET, POST"
    assert api.get("/v1/jobs/").status_code == 404


def test_the_workers_are_listed_and_the_gone_ones_on_demand(api: httpx.Client, engine: Engine, layout: Layout) -> None:
    first = Fleet.of_one(engine, layout)
    second = Fleet.of_one(engine, layout)
    (alive,) = api.get("/v1/workers").json()["items"]
    assert (alive["id"], alive["name"], alive["state"], alive["slots"]) == (second.worker_id, "w-1", "accepting", 60)
    assert alive["started_at"].endswith("Z")
    both = api.get("/v1/workers?gone=true").json()["items"]
    assert {worker["id"]: worker["state"] for worker in both} == {
        first.worker_id: "lost",
        second.worker_id: "accepting",
    }


def test_a_database_that_is_away_is_503_until_it_is_back(tmp_path: Path, layout: Layout, run_queues: RunQueues) -> None:
    with running(tmp_path / "database", durable=False) as server:
        server.create_database("flotilla")
        engine = database.connect(server.url("flotilla"))
        context = ApiContext(engine=engine, layout=layout, queue=run_queues.queue, kick=lambda: None)
        with serving(context) as url, client(url, key="any") as api:
            assert api.get("/healthz").status_code == 200
            server.stop()
            for path in ("/healthz", "/v1/jobs"):
                answer = api.get(path)
                assert answer.status_code == 503
                assert answer.json()["type"] == "/problems/unavailable"
                assert answer.headers["Retry-After"] == "5"
            server.restart()
            assert api.get("/healthz").status_code == 200
        engine.dispose()


def test_every_error_in_the_document_is_a_problem(context: ApiContext) -> None:
    declared: dict[str, set[str]] = {}
    for _, operation in operations(context):
        for status, response in operation["responses"].items():
            if status >= "400":
                (media_type,) = response["content"]
                assert media_type == "application/problem+json"
                declared.setdefault(operation["operationId"], set()).add(status)
    assert declared["upload_bundle"] >= {"400", "401", "413", "415", "422"}
    assert declared["create_job"] >= {"400", "401", "413", "415", "422"}
    assert declared["get_result"] >= {"401", "404"}
    assert declared["read_log"] >= {"401", "404", "422"}


def test_the_document_names_every_operation_of_the_surface(context: ApiContext) -> None:
    assert {operation["operationId"] for _, operation in operations(context)} == {
        "get_health",
        "upload_bundle",
        "get_bundle",
        "describe_uploads",
        "create_upload",
        "get_upload",
        "append_to_upload",
        "end_upload",
        "create_job",
        "list_jobs",
        "get_job",
        "list_runs",
        "cancel_job",
        "get_run",
        "get_result",
        "read_log",
        "list_workers",
        "list_queues",
        "redrive_queues",
    }


def test_the_document_types_what_a_trial_ran_under(context: ApiContext) -> None:
    schemas = create_app(context).openapi()["components"]["schemas"]
    assert {"$ref": "#/components/schemas/Conditions"} in schemas["Trial"]["properties"]["conditions"]["anyOf"]
    assert schemas["Conditions"]["properties"]["contended"]["anyOf"] == [{"type": "boolean"}, {"type": "null"}]
    assert set(schemas["Stalled"]["properties"]) == {"cpu", "memory", "io"}


def test_the_document_is_what_the_server_gives(api: httpx.Client, context: ApiContext) -> None:
    document = api.get("/openapi.json").json()
    assert document["info"] == {
        "title": "Flotilla",
        "version": __version__,
        "description": "Runs Harbor trials on a fleet of workers.",
    }
    assert document == create_app(context).openapi()


def test_importing_the_api_makes_no_application(
    run_python: Callable[[str], str],
) -> None:
    found = run_python(
        "import gc, api.app, lambdas.api, sqlalchemy, fastapi;"
        "print([thing for thing in gc.get_objects() if isinstance(thing, (sqlalchemy.Engine, fastapi.FastAPI))])"
    )
    assert found.strip() == "[]"
