"""The command as a whole: quick to start, and a client of the HTTP API only."""

import subprocess
import sys

import flotilla
from tests.flotilla.cli.conftest import Call

HEAVY = {"sqlalchemy", "boto3", "botocore", "psycopg", "fastapi", "uvicorn", "harbor", "httpx", "pydantic"}


def test_the_version_is_told(call: Call) -> None:
    assert call("--version").out == f"flotilla {flotilla.__version__}\n"


def test_without_words_it_shows_what_it_can_do(call: Call) -> None:
    called = call("--help")
    assert called.code == 0
    for command in ("up", "down", "run", "job", "logs", "worker"):
        assert f" {command} " in called.out


def test_the_exit_codes_of_a_run_are_documented(call: Call) -> None:
    shown = " ".join(call("run", "--help").out.split())
    told = ["2 the command or the task is wrong", "3 no server answers", "4 the key is refused", "130 interrupted"]
    assert [words for words in told if words not in shown] == []


def test_nothing_heavy_is_loaded_to_show_the_help() -> None:
    code = "import sys, flotilla.cli.main; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & set(loaded) == set()
