import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from flotilla.layout import Layout
from flotilla.settings import SettingsFault
from flotilla.states import Priority
from flotilla.store.keys import issue_key
from lambdas import api as function
from tests.api.bundle import zipped
from tests.api.events import parse, texts
from tests.api.fleet import Fleet
from tests.api.large import large_archive
from tests.flotilla.fleet import Fleet as QueuedFleet
from tests.run_queues import RunQueues

type Ask = Callable[..., dict[str, Any]]


@dataclass(slots=True)
class Invocations:
    """An endpoint that takes asynchronous invocations of Lambda functions, and remembers them."""

    url: str = ""
    seen: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def invocations() -> Iterator[Invocations]:
    invocations = Invocations()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            invocations.seen.append((self.path, self.headers["X-Amz-Invocation-Type"]))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    invocations.url = f"http://127.0.0.1:{server.server_port}"
    yield invocations
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    layout: Layout,
    invocations: Invocations,
    run_queues: RunQueues,
    sqs_url: str,
) -> Iterator[None]:
    """What the function finds in its environment; it is cold at the beginning."""
    variables = {
        "FLOTILLA_DATABASE_URL": database_url,
        "FLOTILLA_SHARED": str(layout.root),
        "FLOTILLA_PULSE_FUNCTION": "pulse",
        "FLOTILLA_QUEUE_URL": run_queues.urls[Priority.NORMAL],
        "FLOTILLA_QUEUE_HIGH_URL": run_queues.urls[Priority.HIGH],
        "AWS_ENDPOINT_URL": sqs_url,
        "AWS_ENDPOINT_URL_LAMBDA": invocations.url,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    function.application.cache_clear()
    yield
    app = function.application().app
    assert isinstance(app, FastAPI)
    app.state.context.engine.dispose()
    function.application.cache_clear()
    loop = asyncio.get_event_loop()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def ask(environment: None, engine: Engine) -> Ask:
    """Sends one request as API Gateway does; gives the answer as it takes it."""
    with engine.begin() as connection:
        key = issue_key(connection, name="tests")

    def ask(method: str, path: str, *, body: bytes = b"", query: str = "", **headers: str) -> dict[str, Any]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"authorization": f"Bearer {key}", "content-length": str(len(body)), **given},
            "requestContext": {
                "apiId": "api",
                "domainName": "api.example.org",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
                "stage": "$default",
            },
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        return function.handler(event, None)

    return ask


def document(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["isBase64Encoded"] is False
    parsed: dict[str, Any] = json.loads(answer["body"])
    return parsed


def test_a_run_goes_all_the_way_through_the_gateway(
    ask: Ask, engine: Engine, layout: Layout, invocations: Invocations
) -> None:
    uploaded = ask("POST", "/v1/bundles", body=zipped(), content_type="application/zip")
    assert uploaded["statusCode"] == 201
    order = {"bundle": document(uploaded)["id"], "agent": {"name": "oracle"}}
    made = ask("POST", "/v1/jobs", body=json.dumps(order).encode(), content_type="application/json")
    assert made["statusCode"] == 201
    assert invocations.seen == [("/2015-03-31/functions/pulse/invocations", "Event")]
    (run,) = document(ask("GET", f"/v1/jobs/{document(made)['id']}/runs", query="limit=5"))["items"]
    fleet = Fleet.of_one(engine, layout)
    trial = fleet.start(run["id"])
    fleet.ship(trial, "é\n".encode())
    log = f"/v1/runs/{run['id']}/logs"
    first = ask("GET", log, query="follow=true")
    assert first["body"].startswith("retry: 500\n\n")
    told = parse(first["body"])
    assert texts(told) == ["é"]
    fleet.grade(trial)
    rest = parse(ask("GET", log, query="follow=true", last_event_id=str(told[-1].id))["body"])
    assert [event.kind for event in rest] == ["end"]
    assert ask("GET", log)["body"] == "é\n"
    assert document(ask("GET", f"/v1/runs/{run['id']}/result"))["verifier_result"] == {"rewards": {"reward": 1.0}}


def test_a_body_that_lambda_cannot_take_is_refused_as_a_problem(ask: Ask) -> None:
    answer = ask("POST", "/v1/bundles", body=b"0" * (4 * 1024 * 1024 + 1), content_type="application/zip")
    assert answer["statusCode"] == 413
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert "4,194,304" in document(answer)["detail"]
    assert "POST /v1/uploads" in document(answer)["detail"]


def test_an_archive_that_no_request_can_carry_comes_through_the_gateway_in_parts(ask: Ask, layout: Layout) -> None:
    archive = large_archive(9_000_000)
    tus = {"tus_resumable": "1.0.0"}
    made = ask("POST", "/v1/uploads", upload_length=str(len(archive)), **tus)
    assert made["statusCode"] == 201
    upload = made["headers"]["location"]
    part = {**tus, "content_type": "application/offset+octet-stream"}
    for offset in range(0, len(archive), function.MOST_BODY):
        data = archive[offset : offset + function.MOST_BODY]
        sent = ask("PATCH", upload, body=data, upload_offset=str(offset), **part)
        assert sent["statusCode"] == 204
        assert sent["headers"]["tus-resumable"] == "1.0.0"
        assert ask("PATCH", upload, body=data, upload_offset=str(offset), **part)["statusCode"] == 409
        assert ask("HEAD", upload, **tus)["headers"]["upload-offset"] == str(offset + len(data))
    order = json.dumps({"upload": document(made)["id"]}).encode()
    bundle = document(ask("POST", "/v1/bundles", body=order, content_type="application/json"))
    assert bundle["sha256"] == hashlib.sha256(archive).hexdigest()
    assert layout.bundle(bundle["sha256"]).read_bytes() == archive
    assert list(layout.uploads.iterdir()) == []


def test_dead_letters_come_back_through_the_gateway(ask: Ask, engine: Engine, run_queues: RunQueues) -> None:
    fleet = QueuedFleet(engine)
    run_ids = fleet.job(runs=2)
    for run_id in run_ids:
        run_queues.bury(json.dumps({"run_id": run_id}))
    assert document(ask("GET", "/v1/queues"))["items"][1]["dead_letters"] == 2
    answer = ask("POST", "/v1/queues/redrive", body=b"{}", content_type="application/json")
    assert [item["moved"] for item in document(answer)["items"]] == [0, 2]
    assert run_queues.received() == run_ids


def test_the_function_builds_its_application_once(ask: Ask) -> None:
    assert ask("GET", "/healthz")["statusCode"] == 200
    before = function.application()
    assert ask("GET", "/healthz")["statusCode"] == 200
    assert function.application() is before


def test_a_function_that_lacks_a_variable_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLOTILLA_DATABASE_URL", "FLOTILLA_PULSE_FUNCTION"):
        monkeypatch.delenv(name, raising=False)
    function.application.cache_clear()
    with pytest.raises(SettingsFault, match="FLOTILLA_DATABASE_URL is not set"):
        function.handler({}, None)
