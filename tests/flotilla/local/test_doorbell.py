"""How the pulse is woken."""

import threading
import time

from flotilla.local.doorbell import Doorbell

LONG = 60.0  # seconds that no test waits


def test_a_ring_ends_the_wait_and_the_next_one_sleeps_again() -> None:
    doorbell = Doorbell()
    doorbell.ring()
    assert doorbell.wait(LONG) is False
    started = time.monotonic()
    assert doorbell.wait(0.05) is False
    assert time.monotonic() - started >= 0.05


def test_a_closed_bell_ends_every_wait_and_says_so() -> None:
    doorbell = Doorbell()
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.extend([doorbell.wait(LONG), doorbell.wait(LONG)]))
    waiting.start()
    doorbell.close()
    waiting.join(LONG)
    assert answers == [True, True]
