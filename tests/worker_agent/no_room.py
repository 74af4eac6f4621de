"""Preloaded into a nursery, makes its first fork fail as on a host that has no room for another process."""

import errno
import os

_fork = os.fork


def _refuse_once() -> int:
    os.fork = _fork
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


os.fork = _refuse_once
