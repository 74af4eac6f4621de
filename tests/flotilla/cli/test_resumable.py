"""Large archives go up in parts, and on from where they were, whoever was interrupted."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import text

from flotilla.cli.connection import Connection, find_connection
from flotilla.cli.faults import CommandFault, ExitCode
from flotilla.cli.resumable import PART_BYTES, PAUSES, ResumableUpload
from flotilla.cli.transport import Transport
from flotilla.layout import Layout
from tests.api.large import large_archive, noise
from tests.api.narrows import narrows
from tests.api.waiting import until
from tests.flotilla.cli.conftest import Call

MEGABYTE = 1_000_000
SECONDS = 30
ARCHIVE = large_archive(3 * PART_BYTES)

type Finish = Callable[..., Any]


class Torn(io.BytesIO):
    """An archive whose reader is interrupted at its second part."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise KeyboardInterrupt
        return super().read(size)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the command line notes what is not finished."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "flotilla" / "uploads"


@pytest.fixture
def finish(server: str, notes: Path) -> Finish:
    """Sends an archive; pauses are noted instead of made."""
    key = find_connection().api_key

    def finish(archive: io.BytesIO, *, url: str = server, paused: list[float] | None = None) -> Any:
        pauses: list[float] = [] if paused is None else paused
        with Transport.opened(Connection(url=url, api_key=key)) as transport:
            return ResumableUpload(transport, archive, notes=notes, pause=pauses.append).finish()

    return finish


def column(engine: sqlalchemy.Engine, what: str) -> Any:
    with engine.begin() as connection:
        return connection.execute(text(f"SELECT {what} FROM uploads")).scalar()


def interrupt(finish: Finish) -> None:
    with pytest.raises(KeyboardInterrupt):
        finish(Torn(ARCHIVE))


@pytest.mark.usefixtures("server")
def test_a_large_archive_goes_up_in_parts_and_leaves_no_note(
    call: Call, tmp_path: Path, notes: Path, layout: Layout, engine: sqlalchemy.Engine
) -> None:
    (tmp_path / "sum.zip").write_bytes(ARCHIVE)
    called = call("run", "-p", str(tmp_path / "sum.zip"), "-a", "oracle", "--json")
    assert called.code == 0, called.err
    sha256 = json.loads(called.out)["bundle"]["sha256"]
    assert layout.bundle(sha256).read_bytes() == ARCHIVE
    assert column(engine, "length") == len(ARCHIVE)
    assert list(notes.iterdir()) == []


@pytest.mark.usefixtures("server", "notes")
def test_a_large_directory_goes_up_in_parts_and_a_small_one_in_one(
    call: Call, task: Path, engine: sqlalchemy.Engine
) -> None:
    assert call("run", "-p", str(task), "-a", "oracle").code == 0
    assert column(engine, "count(*)") == 0
    (task / "environment" / "data").write_bytes(noise(PART_BYTES))
    assert call("run", "-p", str(task), "-a", "oracle").code == 0
    assert column(engine, "count(*)") == 1


def test_fifty_megabytes_go_on_in_another_process_after_the_first_was_killed(
    server: str, notes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: sqlalchemy.Engine
) -> None:
    archive = large_archive(50 * MEGABYTE)
    (tmp_path / "sum.zip").write_bytes(archive)
    command = [sys.executable, "-m", "flotilla.cli.main", "run", "-p", str(tmp_path / "sum.zip"), "-a", "oracle"]
    with narrows(server, most=22 * MEGABYTE) as way:
        monkeypatch.setenv("FLOTILLA_URL", way.url)
        first = subprocess.Popen(command)
        assert way.stuck.wait(SECONDS)
        first.kill()
        assert first.wait(SECONDS) == -9
        way.cut.set()
        until(lambda: column(engine, "received") > 20 * MEGABYTE, "what came is counted")
        assert len(list(notes.iterdir())) == 1
        carried = way.carried
        second = subprocess.run([*command, "--json"], check=True, timeout=SECONDS, stdout=subprocess.PIPE)
        assert way.carried - carried < 31 * MEGABYTE
    assert json.loads(second.stdout)["bundle"]["sha256"] == hashlib.sha256(archive).hexdigest()


def test_an_upload_whose_connection_breaks_goes_on_by_itself(finish: Finish, server: str) -> None:
    paused: list[float] = []
    with narrows(server, most=6 * MEGABYTE) as way, ThreadPoolExecutor(1) as threads:
        sent = threads.submit(finish, io.BytesIO(ARCHIVE), url=way.url, paused=paused)
        assert way.stuck.wait(SECONDS)
        way.cut.set()
        bundle = sent.result(SECONDS)
    assert bundle["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert paused == [PAUSES[0]]


def test_a_server_that_stays_away_is_told_with_what_is_up(finish: Finish) -> None:
    paused: list[float] = []
    with pytest.raises(CommandFault, match=f"0 of {len(ARCHIVE):,} bytes are up: give the same command again") as told:
        finish(io.BytesIO(ARCHIVE), url="http://127.0.0.1:9", paused=paused)
    assert told.value.code is ExitCode.UNREACHABLE
    assert paused == list(PAUSES)


def test_two_that_go_on_with_one_upload_at_once_get_the_same_bundle(finish: Finish, engine: sqlalchemy.Engine) -> None:
    interrupt(finish)
    assert column(engine, "received") == PART_BYTES
    with ThreadPoolExecutor(2) as threads:
        bundles = list(threads.map(lambda _: finish(io.BytesIO(ARCHIVE)), range(2)))
    assert bundles[0] == bundles[1]
    assert bundles[0]["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()


def test_an_upload_that_is_gone_meanwhile_begins_anew(finish: Finish, engine: sqlalchemy.Engine) -> None:
    interrupt(finish)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM uploads"))
    assert finish(io.BytesIO(ARCHIVE))["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()


def test_a_large_archive_that_is_no_task_is_refused_and_forgotten(finish: Finish, notes: Path, layout: Layout) -> None:
    with pytest.raises(CommandFault) as refused:
        finish(io.BytesIO(noise(PART_BYTES + 1)))
    assert refused.value.code is ExitCode.USAGE
    assert [*notes.iterdir(), *layout.uploads.iterdir()] == []


def test_an_upload_that_cannot_be_noted_goes_up_all_the_same(finish: Finish, notes: Path) -> None:
    notes.parent.mkdir(parents=True)
    notes.write_text("in the way")
    assert finish(io.BytesIO(ARCHIVE))["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
