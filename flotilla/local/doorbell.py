"""How the pulse is told of new work, or to stop, before its ten seconds are over."""

import threading


class Doorbell:
    """Rung by whoever has something for the pulse; `wait` is what the pulse sleeps in."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._closed = False

    def ring(self) -> None:
        """Ends the present wait, or the next one if nobody waits now."""
        self._rung.set()

    def close(self) -> None:
        """Ends every wait from now on, and says so."""
        self._closed = True
        self._rung.set()

    def wait(self, seconds: float) -> bool:
        """Sleeps until the bell is rung, for so long at most; returns whether it was closed."""
        if not self._closed:
            self._rung.wait(seconds)
            self._rung.clear()
        return self._closed
