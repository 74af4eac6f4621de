"""A trial as the shipper finds it: written by a test, without any process."""

from collections.abc import Sequence
from pathlib import Path

from worker_agent.publication import publish
from worker_agent.redaction import Redactor
from worker_agent.shipping import TrialLogs

SECRET = "hunter2-hunter2"


class Trial:
    """A local trial directory, its shared one, and the shipper between them."""

    def __init__(self, place: Path, *, secrets: Sequence[str] = (SECRET,)) -> None:
        self.local, self.shared = place / "local", place / "shared"
        for folder in ("agent", "verifier", "artifacts"):
            (self.local / folder).mkdir(parents=True)
        self.redactor = Redactor(secrets)
        self.logs = TrialLogs(local=self.local, shared=self.shared, agent="oracle", redactor=self.redactor)

    def append(self, name: str, text: str) -> None:
        with (self.local / name).open("a") as file:
            file.write(text)

    def finish(self) -> None:
        self.logs.ship(final=True)
        publish(self.local, self.shared, redactor=self.redactor, shipped=self.logs.shipped)

    def read(self, name: str) -> str:
        return (self.shared / name).read_text()
