"""What the metadata of the instance say of its end: read over IMDSv2, with a session token that is renewed in time."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

DEFAULT_ENDPOINT = "http://169.254.169.254"
TOKEN_SECONDS = 21_600  # as long as one may hold
PATIENCE_SECONDS = 1.0  # they answer within milliseconds, or something is wrong

_log = logging.getLogger(__name__)


class MetadataUnavailable(Exception):
    """The metadata did not answer, or not as IMDSv2 does: ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """What was read. `ends` is when, by a spot notice, the machine ends; `target` is what the group wants of it."""

    ends: datetime | None = None
    rebalance: bool = False
    target: str | None = None


class InstanceMetadata:
    """Reads from one endpoint. Never through a proxy: what it says is of this machine alone."""

    def __init__(
        self,
        endpoint: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._http = httpx.Client(base_url=endpoint, timeout=PATIENCE_SECONDS, trust_env=False)
        self._monotonic = monotonic
        self._now = now
        self._token = ""
        self._renew_at = 0.0

    def read(self) -> Notices:
        """All that concerns the machine's end. Raises MetadataUnavailable."""
        spot = self._item("spot/instance-action")
        return Notices(
            ends=None if spot is None else self._end(spot),
            rebalance=self._item("events/recommendations/rebalance") is not None,
            target=self._item("autoscaling/target-lifecycle-state"),
        )

    def close(self) -> None:
        """Lets go of the connection."""
        self._http.close()

    def _item(self, name: str) -> str | None:
        """The item's text, None where there is none. A token that holds no longer is renewed once."""
        answer = self._get(name)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._renew_at = 0.0
            answer = self._get(name)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _good(answer).text

    def _get(self, name: str) -> httpx.Response:
        if not self._token or self._monotonic() >= self._renew_at:
            self._renew_token()
        return self._ask("GET", f"latest/meta-data/{name}", {"X-aws-ec2-metadata-token": self._token})

    def _renew_token(self) -> None:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        self._token = _good(self._ask("PUT", "latest/api/token", lifetime)).text
        self._renew_at = self._monotonic() + TOKEN_SECONDS / 2

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        try:
            return self._http.request(method, path, headers=headers)
        except httpx.HTTPError as fault:
            raise MetadataUnavailable(f"{self._http.base_url} does not answer: {fault}") from fault

    def _end(self, document: str) -> datetime:
        """When the machine ends. A notice that does not say when is a notice all the same: at once, then."""
        try:
            return datetime.fromisoformat(json.loads(document)["time"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError):
            _log.warning("a spot notice does not say when: %s", document)
            return self._now()


def _good(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise MetadataUnavailable(f"{answer.url} answers {answer.status_code}: is it IMDSv2?")
    return answer
