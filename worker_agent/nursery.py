"""The fork server: a process that has Harbor imported and forks one child a trial.

One JSON line on standard input is one order; one JSON line on standard output tells a birth or an end. Retired, it
takes no order any more and ends after its last child. It is ours because `multiprocessing`'s outlives a killed parent,
lets no child notice its parent's death and shows every child's secrets in `/proc`: here the nursery dies with the
supervisor, the children with it, and secrets come with the order.
"""

import argparse
import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from worker_agent.immortal import make_all_immortal

GRACE_SECONDS = 20.0  # what children get, after SIGTERM, to let Harbor take its containers down
OOM_SCORE = "500"  # trials go first when memory runs out, never the worker, whose own -1000 they would inherit
SOFT_LIMITS = {resource.RLIMIT_DATA: 2 << 30, resource.RLIMIT_FSIZE: 4 << 30, resource.RLIMIT_NOFILE: 4096}
"""What Harbor and an agent on the host need many times over: beyond it, only what a task left can have led them."""
_PR_SET_PDEATHSIG = 1
_ORDERS, _REPORTS = 0, 1  # file descriptors
_NOT_BEGUN = 71  # exit code of a child that did not come to its trial


def die_with_parent(deadly: signal.Signals) -> None:
    """Asks the kernel to send us this signal when the thread that made us ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(deadly))


def _report(**words: Any) -> None:
    os.write(_REPORTS, (json.dumps(words) + "\n").encode())


def _become_trial(order: dict[str, Any], nursery: int) -> NoReturn:
    """In the child, which never comes back from here: it would go on as a second nursery."""
    code = _NOT_BEGUN
    try:
        _leave_the_nursery(order, nursery)
        code = _run(order)
    except BaseException:  # the child's last frame: the worker's log tells, the exit code ends the trial
        traceback.print_exc()
    os._exit(code)


def _leave_the_nursery(order: dict[str, Any], nursery: int) -> None:
    """Own session, scrubbed environment, no descriptor of the nursery's."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # the nursery's handlers would end our siblings
    os.setsid()
    die_with_parent(signal.SIGTERM)
    if os.getppid() != nursery:
        os._exit(_NOT_BEGUN)
    Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    if niceness := order["niceness"]:
        give_way(niceness)
    limit_resources()
    os.environ.clear()
    os.environ.update(order["environment"])
    tempfile.tempdir = None  # chosen anew, from the new environment
    log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for descriptor, instead in ((_ORDERS, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(instead, descriptor)
    os.closerange(3, 1024)


def give_way(niceness: int) -> None:
    """Lets others go before this process and all that it will start, however many begin at once.

    A kernel may give each session a share of its own, and weigh niceness within it alone: then the share is lowered.
    """
    os.nice(niceness)
    with contextlib.suppress(OSError):  # this kernel has no such shares, or changes them for root alone
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def limit_resources() -> None:
    """Bounds this process's memory, files and descriptors. A sandbox, which has its own, may take the first two off."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, most in SOFT_LIMITS.items():
        soft, hard = resource.getrlimit(kind)
        if soft == resource.RLIM_INFINITY or soft > most:
            resource.setrlimit(kind, (most, hard))


def _run(order: dict[str, Any]) -> int:
    code = 70
    try:
        code = int(_function(order["entry"])(**order["arguments"]))
    except BaseException:  # the child's last frame: whatever it was goes to its log
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _end_group(leader: int) -> None:
    """Ends what a trial's process started and left behind, a Compose command of a killed one say.

    Its number is nobody else's as long as the process is not buried.
    """
    with contextlib.suppress(ProcessLookupError):  # it ended before it had a session of its own
        os.killpg(leader, signal.SIGKILL)


class Nursery:
    """The loop: orders in, births and ends out, until standard input ends; then every child is ended."""

    def __init__(self) -> None:
        self._children: dict[int, str] = {}
        self._unread = b""
        self._open = True
        self._retired = False
        self._last_call: float | None = None
        self._woken, wakeup = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._close())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the supervisor's to answer

    def run(self) -> None:
        _report(ready=os.getpid())
        while self._children or (self._open and not self._retired):
            watched = [self._woken, *([_ORDERS] if self._open else [])]
            readable = select.select(watched, [], [], 1.0)[0]
            if self._woken in readable:
                os.read(self._woken, 4096)
            if _ORDERS in readable:
                self._take_orders()
            self._bury()
            self._insist()

    def _take_orders(self) -> None:
        data = os.read(_ORDERS, 1 << 16)
        if not data:
            return self._close()
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order.get("retire"):
                self._retired = True
            else:
                self._fork(order)
        return None

    def _fork(self, order: dict[str, Any]) -> None:
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError as fault:  # no memory, or too many processes: that ends this trial, not all of them
            return _report(id=order["id"], fault=str(fault))
        if pid == 0:
            _become_trial(order, nursery)
        self._children[pid] = order["id"]
        return _report(id=order["id"], pid=pid)

    def _bury(self) -> None:
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            _end_group(ended.si_pid)
            pid, status = os.waitpid(ended.si_pid, 0)
            name = self._children.pop(pid)
            try:
                _report(id=name, code=os.waitstatus_to_exitcode(status))
            except BrokenPipeError:  # the supervisor is gone: nobody is left to tell
                self._close()

    def _close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._last_call = time.monotonic() + GRACE_SECONDS
        self._signal_all(signal.SIGTERM)

    def _insist(self) -> None:
        if self._last_call is not None and time.monotonic() > self._last_call:
            self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)  # not reaped yet, so the pid is still the child's


def prepare(modules: Sequence[str], *, rehearsal: str | None, scratch: Path) -> None:
    """Imports and makes, once, what all children use; they share its pages."""
    for module in modules:
        importlib.import_module(module)
    if rehearsal is not None:
        try:
            _function(rehearsal)(scratch=scratch)
        except Exception:  # it saves work and memory, and decides nothing: whatever it is, the trials will tell
            traceback.print_exc()
    gc.collect()
    make_all_immortal()  # to look at what is shared must not change it,
    gc.freeze()  # and the collector must not touch it


def _function(entry: str) -> Any:
    module, _, function = entry.partition(":")
    return getattr(importlib.import_module(module), function)


def main() -> None:
    """`python -m worker_agent.nursery --scratch DIR [--rehearsal ENTRY] MODULE…`: prepares itself, then serves orders.

    It ends with its parent: at once while it prepares itself, later when its children have ended.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", type=Path, required=True, help="names the worker whose it is, for its successor")
    parser.add_argument("--rehearsal", help="a function to go through once, as module:function")
    parser.add_argument("modules", nargs="*")
    arguments = parser.parse_args()
    die_with_parent(signal.SIGKILL)
    prepare(arguments.modules, rehearsal=arguments.rehearsal, scratch=arguments.scratch)
    nursery = Nursery()
    die_with_parent(signal.SIGTERM)
    nursery.run()


if __name__ == "__main__":
    main()
