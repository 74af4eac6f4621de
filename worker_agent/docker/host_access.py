"""What a task's Compose files ask of this host, judged before Compose reads them and by what Compose makes of them."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from yaml.nodes import Node

from flotilla.task.compose import HostFolder, host_access_faults, resolved_findings
from flotilla.task.compose.files import documents_of
from flotilla.task.fault import Rule, refused
from flotilla.task.tree import COMPOSE_BYTES
from worker_agent.docker.errors import ComposeFileError

COMPOSE_FILE = "docker-compose.yaml"
NOTED = 10


def refuse_files(folder: Path) -> None:
    """Raises `ComposeFileError` if the task's Compose file asks for what is the host's, as at the upload.

    What Compose resolves does not tell of the files that it read, or fetched, on the way.
    """
    _raise_for(host_access_faults(COMPOSE_FILE, read=lambda file: _documents(folder, file)))


def refuse_resolved(text: str, *, folder: HostFolder, project: str, granted: Mapping[str, Collection[str]]) -> None:
    """The same for what Compose made of all files, Harbor's and ours among them, as JSON."""
    _raise_for(resolved_findings(json.loads(text), folder=folder, project=project, granted=granted))


def _raise_for(found: Iterable[object]) -> None:
    told = [str(one) for one in found]
    if told:
        more = [f"and {len(told) - NOTED} more"] if len(told) > NOTED else []
        raise ComposeFileError("\n".join([*told[:NOTED], *more]))


def _documents(folder: Path, file: str) -> list[Node | None]:
    place = (folder / file).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise refused(f"{file} is a link out of the folder.", "Put the file itself there.", rule=Rule.HOST_ACCESS)
    try:
        with place.open("rb") as opened:
            text = opened.read(COMPOSE_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"{file} cannot be read: {error}.", "Put it there.", rule=Rule.COMPOSE_FILE) from error
    return documents_of(text, file=file)
