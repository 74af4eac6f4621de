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

from worker_agent.sandbox.errors import SandboxLostError, SandboxStartError
from worker_agent.sandbox.furniture import HOSTNAME
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


class Sandbox:
    """The namespaces, mounts and processes that live as long as their keeper. Not for use after `close`."""

    def __init__(self, channel: socket.socket, keeper: asyncio.subprocess.Process) -> None:
        self._channel = channel
        self._keeper = keeper
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._open = True

    @classmethod
    async def open(cls, scratch: Path, *, mounts: Sequence[Mount], network: bool) -> Self:
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
        plan = {
            "scratch": str(scratch),
            "root": ROOT,
            "hostname": HOSTNAME,
            "network": network,
            "single_user": not may_map_all_users(),
            "mounts": mounts,
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
                if (ended := self._waiting.get(answer["exited"])) and not ended.done():
                    ended.set_result(answer["code"])
            self._give_up()

    def _give_up(self) -> None:
        """The keeper is gone, and with it every process."""
        asyncio.get_running_loop().remove_reader(self._channel)
        for ended in self._waiting.values():
            if not ended.done():
                ended.set_exception(SandboxLostError("the sandbox ended while a command ran in it"))


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
