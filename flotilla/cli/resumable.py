"""A large archive on its way up, in parts (tus 1.0): after an interruption the next attempt goes on where it was."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

from flotilla.cli.faults import CommandFault, ExitCode
from flotilla.cli.transport import Transport

PART_BYTES = 4 * 1024 * 1024
"""What a request to a Lambda function has room for. A smaller archive goes up in one."""
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before another attempt, as long as none gets further; then the fault is told."""
_UPLOADS = "/v1/uploads"
_PART = "application/offset+octet-stream"
_TUS = {"Tus-Resumable": "1.0.0"}
_PASSING = (ExitCode.UNREACHABLE, ExitCode.FAILED)
_GONE = 404
_ELSEWHERE = 409


def notes_directory(environment: Mapping[str, str]) -> Path:
    """Where it is noted which uploads are not finished."""
    home = Path(environment.get("HOME", "~")).expanduser()
    return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "flotilla" / "uploads"


class ResumableUpload:
    """One archive's way to one server, noted in `notes` so that another process can go on with it."""

    def __init__(
        self, transport: Transport, archive: BinaryIO, *, notes: Path, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._transport = transport
        self._archive = archive
        self._pause = pause
        self._size = archive.seek(0, SEEK_END)
        archive.seek(0)
        self._sha256 = hashlib.file_digest(archive, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO will do
        self._note = notes / hashlib.sha256(f"{transport.url} {self._sha256}".encode()).hexdigest()
        self._sent = 0

    def finish(self) -> Any:
        """The bundle, once everything is up. Raises CommandFault; what is up by then stays for the next attempt."""
        pauses = iter(PAUSES)
        while True:
            before = self._sent
            try:
                bundle = self._attempt()
            except CommandFault as fault:
                if fault.code not in _PASSING:
                    raise
                pauses = iter(PAUSES) if self._sent > before else pauses
                seconds = next(pauses, None)
                if seconds is None:
                    raise self._interrupted(fault) from fault
                self._pause(seconds)
            else:
                return self._checked(bundle)

    def _attempt(self) -> Any:
        upload_id, self._sent = self._find() or self._begin()
        while self._sent < self._size:
            self._sent = self._send_part(upload_id)
        return self._make_bundle(upload_id)

    def _find(self) -> tuple[str, int] | None:
        """The upload that an earlier attempt left, and where it stands."""
        try:
            upload_id = self._note.read_text(encoding="ascii")
        except (OSError, ValueError):
            return None
        answer = self._transport.exchange("HEAD", f"{_UPLOADS}/{upload_id}", headers=_TUS, expected=[_GONE])
        return None if answer.status_code == _GONE else (upload_id, int(answer.headers["Upload-Offset"]))

    def _begin(self) -> tuple[str, int]:
        headers = {**_TUS, "Upload-Length": str(self._size)}
        upload_id = str(self._transport.exchange("POST", _UPLOADS, headers=headers).json()["id"])
        with contextlib.suppress(OSError):  # what cannot be noted can still go up
            self._note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._note.write_text(upload_id, encoding="ascii")
        return upload_id, 0

    def _send_part(self, upload_id: str) -> int:
        """Sends the next part; returns where the upload stands, which another process may have changed too."""
        self._archive.seek(self._sent)
        answer = self._transport.exchange(
            "PATCH",
            f"{_UPLOADS}/{upload_id}",
            headers={**_TUS, "Upload-Offset": str(self._sent), "Content-Type": _PART},
            body=self._archive.read(PART_BYTES),
            expected=[_ELSEWHERE],
        )
        if answer.status_code == _ELSEWHERE:
            answer = self._transport.exchange("HEAD", f"{_UPLOADS}/{upload_id}", headers=_TUS)
        return int(answer.headers["Upload-Offset"])

    def _make_bundle(self, upload_id: str) -> Any:
        try:
            bundle = self._transport.post("/v1/bundles", document={"upload": upload_id})
        except CommandFault as fault:
            if fault.code is ExitCode.USAGE:  # refused for good, and nothing of it was kept
                self._forget()
            raise
        self._forget()
        return bundle

    def _checked(self, bundle: Any) -> Any:
        if bundle["sha256"] != self._sha256:
            fault = "the server keeps other bytes than were sent: give the same command again"
            raise CommandFault(fault, code=ExitCode.FAILED)
        return bundle

    def _forget(self) -> None:
        with contextlib.suppress(OSError):  # nor could it be noted
            self._note.unlink(missing_ok=True)

    def _interrupted(self, fault: CommandFault) -> CommandFault:
        standing = f"{self._sent:,} of {self._size:,} bytes are up"
        return CommandFault(f"{fault}\n{standing}: give the same command again to go on from there", code=fault.code)
