"""HTTP to the server: the key on every request, and every failure as one named fault."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Self

import httpx

import flotilla
from flotilla.cli.connection import Connection
from flotilla.cli.faults import CommandFault, ExitCode

ANSWER_SECONDS = 60.0  # a large bundle is checked before the answer
CONNECT_SECONDS = 5.0


class Transport:
    """One server, one key."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    @contextmanager
    def opened(cls, connection: Connection) -> Iterator[Self]:
        """The server of that connection."""
        key, agent = f"Bearer {connection.api_key}", f"flotilla/{flotilla.__version__}"
        with httpx.Client(
            base_url=connection.url,
            headers={"Authorization": key, "User-Agent": agent},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        ) as http:
            yield cls(http)

    def get(self, path: str, *, parameters: Mapping[str, str | int | None] | None = None) -> Any:
        """The document there."""
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        return self._ask(self._http.build_request("GET", path, params=given))

    def get_part(self, path: str, *, parameters: Mapping[str, str | int]) -> tuple[bytes, int]:
        """A part of a log, and the offset at which to read on."""
        answer = self._send(self._http.build_request("GET", path, params=dict(parameters)))
        return answer.content, int(answer.headers["X-Next-Offset"])

    def post(self, path: str, *, document: Mapping[str, Any] | None = None) -> Any:
        """Sends a document; returns the answer."""
        return self._ask(self._http.build_request("POST", path, json=document))

    def upload(self, path: str, *, body: BinaryIO, content_type: str) -> Any:
        """Sends a file as it is read; returns the answer."""
        size = body.seek(0, 2)
        body.seek(0)
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        return self._ask(self._http.build_request("POST", path, content=body, headers=headers))

    def exchange(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b"", expected: Collection[int] = ()
    ) -> httpx.Response:
        """The answer itself, also if its status is one of those failures that are `expected`."""
        request = self._http.build_request(method, path, headers=dict(headers), content=body)
        return self._send(request, expected=expected)

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self._http.base_url)

    @contextmanager
    def lines(self, path: str, *, parameters: Mapping[str, str], last_event: str | None) -> Iterator[Iterator[str]]:
        """A stream of lines that the server goes on with until it or the `with` block ends."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event} if last_event else {})
        with self._reachable(), self._http.stream("GET", path, params=parameters, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                raise _refusal(answer)
            yield answer.iter_lines()

    def _ask(self, request: httpx.Request) -> Any:
        return self._send(request).json()

    def _send(self, request: httpx.Request, *, expected: Collection[int] = ()) -> httpx.Response:
        with self._reachable():
            answer = self._http.send(request)
        if not answer.is_success and answer.status_code not in expected:
            raise _refusal(answer)
        return answer

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            fault = f"no server answers at {self._http.base_url} ({error})"
            mend = "start one with `flotilla up`, or set FLOTILLA_URL and FLOTILLA_API_KEY"
            raise CommandFault(f"{fault}\n{mend}", code=ExitCode.UNREACHABLE) from error


def _refusal(answer: httpx.Response) -> CommandFault:
    """The server's problem document (RFC 9457) as lines: each error with its place and its mend."""
    code = ExitCode.REFUSED if answer.status_code in (401, 403) else ExitCode.USAGE
    if answer.status_code >= 500:
        code = ExitCode.FAILED
    try:
        problem = answer.json()
    except ValueError:
        return CommandFault(f"the server answered {answer.status_code}: {answer.text[:500]}", code=code)
    lines = [_line(error) for error in problem.get("errors") or []]
    return CommandFault("\n".join(lines or [str(problem.get("detail") or problem.get("title"))]), code=code)


def _line(error: Mapping[str, str]) -> str:
    place = error.get("pointer") or ""
    said = " ".join(filter(None, [error.get("detail"), error.get("mend")]))
    return f"{place}: {said}" if place else said
