"""Orphans of the stack are its own children, and none outlives it."""

import subprocess
import sys
import threading

from flotilla.local.processes import children, has_ended
from tests.flotilla.local.running_stack import until

ADOPTER = """
import subprocess, sys
from flotilla.local.processes import adopt_orphans, children, end_orphans
adopt_orphans()
known = subprocess.Popen(["sleep", "600"])
subprocess.run(["sh", "-c", "sleep 0.1 & (trap '' TERM; sleep 600) & exit"])
before = len(children())
end_orphans(known={known.pid}, grace_seconds=0.3)
print(before, children() == {known.pid}, known.poll())
known.kill()
known.wait()
"""


def test_orphans_are_adopted_awaited_and_in_the_end_killed_but_never_others() -> None:
    done = subprocess.run([sys.executable, "-c", ADOPTER], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["3", "True", "None"]


def test_asking_whether_a_child_has_ended_leaves_its_status_to_its_starter() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(7)"])
    assert process.pid in children()
    until(lambda: has_ended(process.pid), "it has ended")
    assert process.wait() == 7
    assert has_ended(process.pid)


def test_threads_that_end_while_children_are_counted_disturb_nobody() -> None:
    over = threading.Event()

    def breed() -> None:
        while not over.is_set():
            short = threading.Thread(target=lambda: None)
            short.start()
            short.join()

    breeder = threading.Thread(target=breed)
    breeder.start()
    try:
        for _ in range(3_000):
            children()
    finally:
        over.set()
        breeder.join()
