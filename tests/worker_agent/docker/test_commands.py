"""Commands in a container: their output, their exit codes, and what cannot be run."""

import asyncio
from typing import Any

import pytest

from worker_agent.docker import commands
from worker_agent.docker.engine import Engine


def run(docker: Engine, container: str, command: str, **words: Any) -> tuple[str, int]:
    return asyncio.run(commands.run(docker, container, argv=["bash", "-c", command], **words))


def test_output_of_both_streams_comes_in_its_order_with_the_exit_code(docker: Engine, container: str) -> None:
    assert run(docker, container, "echo a; sleep 0.2; echo b >&2; sleep 0.2; echo c; exit 7") == ("a\nb\nc\n", 7)


def test_user_folder_and_variables_are_those_asked_for(docker: Engine, container: str) -> None:
    output, code = run(docker, container, 'id -u; pwd; echo "$A $GREETING"', user=33, cwd="/var", env={"A": "x=1 $B"})
    assert (output, code) == ("33\n/var\nx=1 $B hello\n", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"argv": ["nowhere"]}, "executable file not found"),
        ({"argv": ["true"], "user": "nobody-at-all"}, "unable to find user"),
        ({"argv": ["true"], "cwd": "/not/there"}, "no such file or directory"),
    ],
)
def test_what_cannot_be_run_is_an_exit_code_as_on_the_command_line(
    docker: Engine, container: str, words: dict[str, Any], said: str
) -> None:
    output, code = asyncio.run(commands.run(docker, container, **words))
    assert said in output
    assert code == 126


def test_a_container_that_is_gone_is_an_exit_code(docker: Engine) -> None:
    output, code = run(docker, "no-such-container", "true")
    assert "No such container" in output
    assert code != 0


def test_ten_megabytes_and_bytes_that_are_no_text_arrive(docker: Engine, container: str) -> None:
    output, code = run(docker, container, "printf 'a\\xffb'; head -c 10000000 /dev/zero | tr '\\0' z")
    assert code == 0
    assert output == "a\N{REPLACEMENT CHARACTER}b" + "z" * 10_000_000


def test_a_listener_hears_whole_lines_while_the_command_runs(docker: Engine, container: str) -> None:
    heard: list[str] = []

    async def listen(text: str) -> None:
        heard.append(text)

    run(docker, container, "echo one; sleep 0.1; printf 'tw'; sleep 0.1; echo ö; printf end", listener=listen)
    assert heard == ["one\n", "twö\n", "end"]
