"""The command line as a person calls it, against the real API on a real database."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy

from api.app import ApiContext, Streaming
from flotilla.cli.main import main
from flotilla.layout import Layout
from flotilla.store.keys import issue_key
from tests.api.bundle import TASK
from tests.api.fleet import Fleet
from tests.api.serving import serving
from tests.run_queues import RunQueues


@dataclass(frozen=True, slots=True)
class Called:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


type Call = Callable[..., Called]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls `flotilla` with the given words."""

    def call(*words: str) -> Called:
        monkeypatch.setattr(sys, "argv", ["flotilla", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Called(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "shared")


@pytest.fixture
def server(
    engine: sqlalchemy.Engine, layout: Layout, run_queues: RunQueues, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of the API; it and a key to it are in the environment, where commands look for them."""
    with engine.begin() as connection:
        key = issue_key(connection, name="tests")
    context = ApiContext(
        engine=engine,
        layout=layout,
        queue=run_queues.queue,
        kick=lambda: None,
        streaming=Streaming(poll_seconds=0.02),
        run_limit=500,
    )
    with serving(context) as url:
        monkeypatch.setenv("FLOTILLA_URL", url)
        monkeypatch.setenv("FLOTILLA_API_KEY", key)
        yield url


@pytest.fixture
def fleet(engine: sqlalchemy.Engine, layout: Layout) -> Fleet:
    return Fleet.of_one(engine, layout)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A good task's directory."""
    for name, content in TASK.items():
        path = tmp_path / "sum" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "sum"
