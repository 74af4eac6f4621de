"""Orphans of the stack are its own children, and none outlives it."""

import subprocess
import sys

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
