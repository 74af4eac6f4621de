"""The most that was seen while something else ran."""

import subprocess
import sys
import threading

from bench.makespan import memory
from bench.peak import watching

BOUND_SECONDS = 20


def test_the_most_of_each_thing_is_kept_by_itself() -> None:
    looks, seen = iter([{"a": 1, "b": 9}, {"a": 5, "b": 2}, {"a": 3, "b": 4}]), threading.Event()

    def look() -> dict[str, int]:
        counts = next(looks, None)
        if counts is None:
            seen.set()
        return counts or {}

    with watching(look, every=0.001) as peak:
        assert seen.wait(BOUND_SECONDS)
    assert peak.counts == {"a": 5, "b": 9}


def test_a_block_that_is_over_at_once_was_looked_at_all_the_same() -> None:
    with watching(lambda: {"a": 7}, every=BOUND_SECONDS) as peak:
        pass
    assert peak.counts == {"a": 7}


def test_what_a_child_of_the_process_holds_is_counted_with_it() -> None:
    held = 64 << 20
    hold = f"import sys; held = b'x' * {held}; print('held', flush=True); sys.stdin.read()"
    shell = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", hold]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"held\n"
        counts = memory.look(parent.pid)
        parent.communicate()
    assert counts["processes"] == 2
    assert counts["octets"] >= held
