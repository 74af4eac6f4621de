"""The processes of one worker: supervisor, fork server and trials, and what command lines of engines are below it."""

from dataclasses import dataclass
from pathlib import Path

from bench.cpu import PROC, tree
from bench.faults import BenchFault

KILOBYTES_A_MEGABYTE = 1024
ENGINE_CLIENTS = ("docker", "docker-compose", "docker-buildx")
WORKER = ["-m", "worker_agent"]
NURSERY = ["-m", "worker_agent.nursery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcesses:
    """The only worker below a process, as it is now."""

    supervisor: int
    nursery: int
    trials: tuple[int, ...]
    engine_clients: int

    @classmethod
    def of(cls, pid: int, *, proc: Path = PROC) -> "WorkerProcesses":
        """Raises BenchFault unless there is one worker with one fork server."""
        below = tree(pid, proc=proc)
        commands = {each: _command(each, proc=proc) for each in below}
        supervisors = [each for each in below if commands[each][1:] == WORKER]
        forked = [each for each in below if commands[each][1:3] == NURSERY]
        servers = [each for each in forked if _parent(each, proc=proc) in supervisors]
        if len(supervisors) != 1 or len(servers) != 1:
            raise BenchFault(f"one worker with one fork server was expected, not {len(supervisors)}, {len(servers)}")
        return cls(
            supervisor=supervisors[0],
            nursery=servers[0],
            trials=tuple(each for each in forked if _parent(each, proc=proc) == servers[0]),
            engine_clients=sum(Path(words[0]).name in ENGINE_CLIENTS for words in commands.values() if words),
        )


def pss_megabytes(pid: int, *, proc: Path = PROC) -> float:
    """Its memory; of pages that it shares with others, its share."""
    for line in (proc / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / KILOBYTES_A_MEGABYTE
    raise BenchFault(f"the kernel does not tell the memory of process {pid}")


def _command(pid: int, *, proc: Path) -> list[str]:
    try:
        return (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:  # it ended since it was listed
        return []


def _parent(pid: int, *, proc: Path) -> int:
    try:
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # the same
        return 0
