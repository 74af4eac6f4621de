"""A task in memory, for tests of the check that need no disk."""

from collections.abc import Mapping

from flotilla.task.limits import Limits
from flotilla.task.members import MemberTable
from flotilla.task.tree import TEXT_BYTES, Kind, Member, text_too_large
from tests.flotilla.task.corpus import Sample
from tests.flotilla.task.toml_text import toml_text


class SampleTree:
    """A sample as a tree of files."""

    def __init__(self, sample: Sample) -> None:
        table = MemberTable(Limits())
        toml = toml_text(sample.config) if sample.toml is None else sample.toml
        contents = {"task.toml": toml, **sample.files}
        for path, content in contents.items():
            table.admit(path, kind=Kind.FOLDER if content is None else Kind.FILE)
        self.members: Mapping[str, Member] = table.members()
        self._contents = contents

    def read(self, path: str, *, limit: int = TEXT_BYTES) -> bytes:
        content = self._contents[path] or ""
        found = content.encode() if isinstance(content, str) else content
        if len(found) > limit:
            raise text_too_large(path, limit=limit)
        return found
