"""PID 1 of a sandbox: makes the namespaces, gives up its power for all it will start, then runs what it is told to.

It is our own program for one reason: a task is root in its sandbox and may replace any program in it. Whatever enters
a sandbox from outside (nsenter) and then starts one of its programs (setpriv) would hand that task the power to mount.
The keeper was loaded from the host before the task's first process, and starts nothing with more power than the task.

Runs as a bare interpreter (`python -I -S`), once a trial, so it imports as little as it can.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys

from worker_agent.sandbox import accounts, kernel

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the time this program needs to start
    from typing import Any, NoReturn

# Docker's own list without mknod (no device is wanted here), net_raw and audit_write (nothing in a test needs them):
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap.
_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31})
_OOM_SCORE = "500"  # the tasks go first when memory runs out, never the worker that inherits -1000 to them
_COUNT_SECONDS = 0.5
_CANNOT_START = 126
_MESSAGE_BYTES = 65536
_SET_INTERFACE_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41


def main(channel_fd: int) -> NoReturn:
    """Serve one sandbox over `channel_fd`, a seqpacket socket, until the other end is closed."""
    try:
        _serve(channel_fd)
    finally:
        os._exit(0)  # at once: an interpreter that tidies up costs milliseconds, and there is nothing to tidy


def _serve(channel_fd: int) -> None:
    channel = socket.socket(fileno=channel_fd)
    plan = json.loads(channel.recv(_MESSAGE_BYTES))
    try:
        kernel.die_with_parent(signal.SIGKILL)
        _make_namespaces(channel, network=plan["network"])
        if child := os.fork():
            channel.close()
            os.waitpid(child, 0)
            return
        kernel.die_with_parent(signal.SIGKILL)
        _move_in(plan)
    except OSError as error:
        _tell(channel, {"failed": error.strerror})
        return
    _tell(channel, {"ready": True})
    most = plan["confines"]["processes"] if plan["confines"] else None
    Keeper(channel, single_user=plan["single_user"], most_processes=most).serve()


def _make_namespaces(channel: socket.socket, *, network: bool) -> None:
    os.unshare(os.CLONE_NEWUSER)
    _tell(channel, {"user_namespace": True})
    channel.recv(_MESSAGE_BYTES)  # the parent has written our identity maps
    kinds = os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWIPC | os.CLONE_NEWUTS | os.CLONE_NEWCGROUP
    os.unshare(kinds if network else kinds | os.CLONE_NEWNET)
    if not network:
        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))


def _move_in(plan: dict[str, Any]) -> None:
    """Make the plan's mounts our whole file system, and lay down the power to change that."""
    _write("/proc/sys/user/max_user_namespaces", "0")  # of this user namespace: a nested one would have all power anew
    _write("/proc/self/oom_score_adj", _OOM_SCORE)
    socket.sethostname(plan["hostname"])
    kernel.keep_mounts_private()
    os.chdir(plan["scratch"])
    for source, target, kind, flags, data in plan["mounts"]:
        kernel.mount(source, target, kind=kind, flags=flags, data=data)
    kernel.keep_capabilities(_CAPABILITIES)
    kernel.change_root(plan["root"])
    kernel.hide_from_tracers()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for of_our_parent in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE):
        _, hard = resource.getrlimit(of_our_parent)
        resource.setrlimit(of_our_parent, (hard, hard))
    if confines := plan["confines"]:
        _confine(**confines)
    # From here on every file may be the task's: nothing more is ever imported.
    sys.path.clear()
    sys.meta_path.clear()


def _confine(*, processes: int, memory_mb: int) -> None:
    """What can be limited without a control group: each process's memory, and how many a user has, except root."""
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))


class Keeper:
    """Starts, ends and reaps the processes of a sandbox."""

    def __init__(self, channel: socket.socket, *, single_user: bool, most_processes: int | None) -> None:
        self._channel = channel
        self._single_user = single_user
        self._most = most_processes  # None where a control group limits them
        self._jobs: dict[int, int] = {}  # pid of the session leader → number of the order

    def serve(self) -> None:
        """Take orders until the channel closes; then this process ends, and the kernel ends all others with it."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a PID 1 gets no signal from its own processes without a handler
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        while True:
            patience = None if self._most is None else _COUNT_SECONDS
            ready, _, _ = select.select([self._channel.fileno(), woken], [], [], patience)
            if self._is_crowded():
                return  # and the kernel ends them all
            if woken in ready:
                os.read(woken, _MESSAGE_BYTES)
                self._reap()
            if self._channel.fileno() in ready and not self._obey():
                return

    def _is_crowded(self) -> bool:
        if self._most is None or (found := len(_processes())) <= self._most:
            return False
        _tell(self._channel, {"exceeded": found})
        return True

    def _obey(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._channel, _MESSAGE_BYTES, 4)
        if not message:
            return False
        order = json.loads(message)
        if "end" in order:
            self._end(order["end"])
        else:
            self._start(order["start"], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _start(self, number: int, descriptors: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            _become(descriptors, single_user=self._single_user)
        self._jobs[pid] = number

    def _end(self, number: int) -> None:
        """Kill the whole session of an order; processes that made a session of their own are daemons and stay."""
        leaders = [pid for pid, job in self._jobs.items() if job == number]
        for _ in range(10):  # a fork may slip through one sweep, not through ten
            members = [pid for leader in leaders for pid in _session(leader)]
            if not members:
                return
            for pid in members:
                _kill(pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (number := self._jobs.pop(pid, None)) is not None:
                _tell(self._channel, {"exited": number, "code": _exit_code(status)})


def _become(descriptors: list[int], *, single_user: bool) -> NoReturn:
    """Turn this fresh child into the program that the order (the first descriptor) names."""
    try:
        os.setsid()
        body, *standard = descriptors
        for target, source in enumerate(standard):
            os.dup2(source, target)
        os.umask(0o022)
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        with os.fdopen(body, "rb", closefd=False) as file:
            order = json.loads(file.read())
        account = accounts.ROOT if single_user else accounts.find(order["user"])
        if account is not accounts.ROOT:
            os.setgroups(account.groups)
            os.setgid(account.gid)
            os.setuid(account.uid)
        os.chdir(order["cwd"])
        os.execve(  # noqa: S606 (this is what a keeper is for)
            order["argv"][0], order["argv"], {"HOME": account.home, **order["env"]}
        )
    except (OSError, LookupError) as error:
        os.write(2, f"sandbox: {error}\n".encode())
    finally:
        os._exit(_CANNOT_START)


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    return [pid for pid in _processes() if _lives_in(pid, session=leader)]


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _lives_in(pid: int, *, session: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            state, _parent, _group, its_session = file.read().rpartition(b")")[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return False  # it ended while we looked
    return int(its_session) == session and state != b"Z"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself


def _exit_code(status: int) -> int:
    """As a shell counts: 128 and the signal's number for a process that a signal ended."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _tell(channel: socket.socket, message: dict[str, object]) -> None:
    try:
        channel.send(json.dumps(message).encode())
    except BrokenPipeError:
        return  # nobody listens any more: serve() is about to see it too


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 (pathlib is slow to import)
        file.write(text)
