"""One running sandbox: starts its keeper, hands it orders, and ends everything in it."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from worker_agent.control_group import ControlGroup
from worker_agent.sandbox.errors import ProcessesExceeded, SandboxLostError, SandboxStartError
from worker_agent.sandbox.furniture import HOSTNAME
from worker_agent.sandbox.groups import name_of
from worker_agent.sandbox.mounts import Mount

ROOT = "root"  # of the sandbox, below its scratch directory

_PACKAGES = Path(__file__).parents[2]
_BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
from worker_agent.sandbox import keeper
keeper.main(int(sys.argv[2]))
"""
_MESSAGE_BYTES = 65536
_START_SECONDS = 60  # a host with hundreds of sandboxes starting may be that slow
_END_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A program to run in a sandbox, by absolute path, with the whole of its environment."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str = "/"
    user: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confines:
    """How many processes a sandbox may have, and how much memory."""

    processes: int = 4096
    memory_mb: int = 4096


DEFAULT = Confines()


class Sandbox:
    """The namespaces, mounts and processes that live as long as their keeper. Not for use after `close`."""

    def __init__(self, channel: socket.socket, keeper: asyncio.subprocess.Process) -> None:
        self._channel = channel
        self._keeper = keeper
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._open = True
        self._exceeded: int | None = None
        self._group: ControlGroup | None = None

    @property
    def groups(self) -> list[ControlGroup]:
        """The control group of its processes; none where this host allows none."""
        return [self._group] if self._group else []

    @classmethod
    async def open(cls, scratch: Path, *, mounts: Sequence[Mount], network: bool, confines: Confines = DEFAULT) -> Self:
        """Start a sandbox whose `mounts` make its root below `scratch`; `SandboxStartError` if the host refuses."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs, (scratch / "keeper.log").open("wb") as log:
            arguments = ("-I", "-S", "-c", _BOOT, str(_PACKAGES), str(theirs.fileno()))
            keeper = await asyncio.create_subprocess_exec(
                *(sys.executable, *arguments),
                pass_fds=[theirs.fileno()], env={}, cwd="/", start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        sandbox = cls(ours, keeper)
        sandbox._confine(name_of(scratch), confines)
        plan = {
            "scratch": str(scratch),
            "root": ROOT,
            "hostname": HOSTNAME,
            "network": network,
            "single_user": not may_map_all_users(),
            "mounts": mounts,
            "confines": None if sandbox.groups else asdict(confines),  # else the keeper does what it can
        }
        try:
            async with asyncio.timeout(_START_SECONDS):
                await sandbox._settle(plan)
        except BaseException:
            await sandbox.close()
            raise
        return sandbox

    async def run(
        self, order: Order, *, stdin: int | None = None, output: int | None = None, errors: int | None = None
    ) -> int:
        """Run an order to its end and give its exit code; when cancelled, its whole session is killed first.

        The three are open descriptors, which the caller keeps; without one it is `/dev/null`.
        """
        standard = [self._nothing if descriptor is None else descriptor for descriptor in (stdin, output, errors)]
        number = next(self._numbers)
        ended = self._waiting[number] = asyncio.get_running_loop().create_future()
        body = os.memfd_create("order")
        try:
            os.write(body, json.dumps(asdict(order)).encode())
            os.lseek(body, 0, os.SEEK_SET)
            self._send({"start": number}, [body, *standard])
        finally:
            os.close(body)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            with contextlib.suppress(SandboxLostError):  # then nothing of it runs any more
                self._send({"end": number}, [])
            await asyncio.wait([ended], timeout=_END_SECONDS)
            raise
        finally:
            self._waiting.pop(number)

    async def close(self) -> None:
        """End every process of the sandbox and wait until all are gone; a second call does nothing."""
        if not self._open:
            return
        self._open = False
        os.close(self._nothing)
        asyncio.get_running_loop().remove_reader(self._channel)
        self._channel.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._keeper.wait()
        except TimeoutError:
            self._keeper.kill()
            await self._keeper.wait()
        if self._group is not None:
            await asyncio.to_thread(self._group.remove)

    def _confine(self, name: str, confines: Confines) -> None:
        """Put the keeper, and with it all that it will start, into a group with limits, if this host allows it."""
        group = ControlGroup.make(name, processes=confines.processes, memory_bytes=confines.memory_mb << 20)
        if group is None:
            return
        try:
            group.join(self._keeper.pid)
        except OSError:  # it has ended, which `_settle` will tell, or this group is not for us
            group.remove()
        else:
            self._group = group

    async def _settle(self, plan: dict[str, object]) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._channel, json.dumps(plan).encode())
        answer = await self._hear()
        if "user_namespace" in answer:
            _map_users(self._keeper.pid)
            await loop.sock_sendall(self._channel, b"mapped")
            answer = await self._hear()
        if "ready" not in answer:
            raise SandboxStartError(f"this host refused a sandbox: {answer.get('failed', 'its keeper ended at once')}")
        loop.add_reader(self._channel, self._listen)

    async def _hear(self) -> dict[str, object]:
        message = await asyncio.get_running_loop().sock_recv(self._channel, _MESSAGE_BYTES)
        return dict(json.loads(message)) if message else {}

    def _send(self, message: dict[str, int], descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._channel, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            raise SandboxLostError(f"the sandbox takes no more orders ({error.strerror})") from error

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):  # all that has arrived is read
            while message := self._channel.recv(_MESSAGE_BYTES):
                answer = json.loads(message)
                if "exceeded" in answer:
                    self._exceeded = answer["exceeded"]
                elif (ended := self._waiting.get(answer["exited"])) and not ended.done():
                    ended.set_result(answer["code"])
            self._give_up()

    def _give_up(self) -> None:
        """The keeper is gone, and with it every process."""
        asyncio.get_running_loop().remove_reader(self._channel)
        for ended in self._waiting.values():
            if not ended.done():
                ended.set_exception(self._loss())

    def _loss(self) -> RuntimeError:
        if self._exceeded is None:
            return SandboxLostError("the sandbox ended while a command ran in it")
        return ProcessesExceeded(
            f"the sandbox was ended: it had {self._exceeded:,} processes, more than it may. Let the task end what it "
            "starts, or raise FLOTILLA_PROCESSES of the workers."
        )


def may_map_all_users() -> bool:
    """Whether a sandbox can have several users: root maps all of the host's, anybody else only themselves."""
    return os.geteuid() == 0


def _map_users(pid: int) -> None:
    """Give the user namespace of `pid` the same ids as ours, or as a plain user the one we have, as its root."""
    directory = Path("/proc", str(pid))
    if may_map_all_users():
        for kind in ("uid_map", "gid_map"):
            rows = [row.split() for row in Path("/proc/self", kind).read_text().splitlines()]
            (directory / kind).write_text("".join(f"{inside} {inside} {count}\n" for inside, _outside, count in rows))
    else:
        (directory / "setgroups").write_text("deny")
        (directory / "uid_map").write_text(f"0 {os.geteuid()} 1\n")
        (directory / "gid_map").write_text(f"0 {os.getegid()} 1\n")
