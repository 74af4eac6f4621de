"""Where the server is and with which key: from the environment, else from the stack that `flotilla up` started."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flotilla.cli.faults import CommandFault, ExitCode

CONNECTION_FILE = "connection.json"
URL_VARIABLE = "FLOTILLA_URL"
KEY_VARIABLE = "FLOTILLA_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server's address and a key to it."""

    url: str
    api_key: str = field(repr=False)


def default_data_directory(environment: Mapping[str, str], *, root: bool) -> Path:
    """Where a local stack keeps its state unless it is told otherwise."""
    if root:
        return Path("/var/lib/flotilla")
    home = Path(environment.get("HOME", "~")).expanduser()
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "flotilla"


def find_connection(environment: Mapping[str, str] | None = None) -> Connection:
    """The connection that commands use. Raises CommandFault if there is none."""
    environment = os.environ if environment is None else environment
    url, key = environment.get(URL_VARIABLE), environment.get(KEY_VARIABLE)
    if url and key:
        return Connection(url=url, api_key=key)
    if url or key:
        given, missing = (URL_VARIABLE, KEY_VARIABLE) if url else (KEY_VARIABLE, URL_VARIABLE)
        raise CommandFault(f"{given} is set and {missing} is not: set both, or neither to use the local stack")
    return read_connection(default_data_directory(environment, root=os.geteuid() == 0) / CONNECTION_FILE)


def read_connection(path: Path) -> Connection:
    """The connection to the local stack that wrote this file. Raises CommandFault if none did."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return Connection(url=known["url"], api_key=known["api_key"])
    except FileNotFoundError:
        fault = f"no server is known: {URL_VARIABLE} is not set, and no local stack runs ({path} is not there)"
        mend = f"start one with `flotilla up`, or set {URL_VARIABLE} and {KEY_VARIABLE}"
        raise CommandFault(f"{fault}\n{mend}", code=ExitCode.UNREACHABLE) from None
    except (PermissionError, ValueError, KeyError) as error:
        raise CommandFault(f"{path} cannot be read ({error}): set {URL_VARIABLE} and {KEY_VARIABLE}") from error
