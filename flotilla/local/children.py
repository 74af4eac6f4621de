"""One program of the stack, kept running: started, started again when it dies, stopped in the end."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flotilla

SOURCE = Path(flotilla.__file__).resolve().parents[1]  # the checkout, or site-packages: both have all our packages
FIRST_BACKOFF = 0.5  # seconds between a death and the next start
LONGEST_BACKOFF = 15.0
HEALTHY_SECONDS = 30.0  # having lived so long, a program is no longer taken for one that cannot start
TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A Python module to run, with all of its environment and the descriptors that it is handed."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    descriptors: Sequence[int] = ()
    stop_seconds: float = 10.0


class Child:
    """A running program. It dies with the thread that started it, so that thread must be the stack's main one."""

    def __init__(self, program: Program, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.program = program
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._due_at: float | None = None
        self._backoff = FIRST_BACKOFF

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The process id, unless the program was never started."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the program in a session of its own: a Ctrl-C is the stack's to answer, in its own order."""
        program = self.program
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, *program.arguments],
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=program.descriptors,
                start_new_session=True,
                cwd=SOURCE,  # which is where `-m` looks first
            )
        self._started_at = self._clock()
        self._due_at = None

    def tend(self) -> bool:
        """Starts the program again if it has died and waited for its turn; says whether it did."""
        if self.is_running:
            return False
        now = self._clock()
        if self._due_at is None:
            self._backoff = FIRST_BACKOFF if now - self._started_at > HEALTHY_SECONDS else self._backoff
            self._due_at = now + self._backoff
            self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)
        if now < self._due_at:
            return False
        self.start()
        return True

    def send_signal(self, number: int) -> None:
        """Signals the program if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def await_end(self) -> None:
        """Waits for a program that was told to stop; kills it if it takes longer than it may."""
        if self._process is None:
            return
        try:
            self._process.wait(self.program.stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.program.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
