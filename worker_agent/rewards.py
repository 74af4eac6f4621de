"""Reads the reward that a task's tests leave: a plain file of reasonable size, whatever else lies in its place.

Harbor opens what is there by its name, and what is there is the task's to make: a pipe that nobody writes to, a link to
a file of this host, a device without end.
"""

import functools
import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker_agent.plain_files import open_plain

if TYPE_CHECKING:
    from harbor.verifier.verifier import Verifier

MOST_BYTES = 1 << 20
"""Of a reward, which is a number, or a few with names."""


def read_plainly(verifier: "type[Verifier]") -> None:
    """Have Harbor's verifier read a copy that is made here, for all trials of this process; again changes nothing."""
    from harbor.verifier.verifier import VerifierOutputParseError  # noqa: PLC0415 - the nursery has it

    for name, path in (("_parse_reward_text", "reward_text_path"), ("_parse_reward_json", "reward_json_path")):
        harbors = inspect.unwrap(getattr(verifier, name))
        setattr(verifier, name, _of_copy(harbors, path, refusal=VerifierOutputParseError))


def _of_copy(
    parse: Callable[[Any], dict[str, float | int]], path: str, *, refusal: type[Exception]
) -> Callable[[Any], dict[str, float | int]]:
    @functools.wraps(parse)
    def parsed(verifier: Any) -> dict[str, float | int]:
        paths = verifier.trial_paths
        given = getattr(paths, path)
        content = _content(given)
        if content is None:
            raise refusal(f"{given.name} is no plain file of at most {MOST_BYTES >> 20} MB: write the reward into one")
        with tempfile.TemporaryDirectory(prefix="reward-") as place:
            verifier.trial_paths = type(paths)(trial_dir=Path(place))
            copy = getattr(verifier.trial_paths, path)
            copy.parent.mkdir(parents=True)
            copy.write_bytes(content)
            try:
                return parse(verifier)
            finally:
                verifier.trial_paths = paths

    return parsed


def _content(file: Path) -> bytes | None:
    descriptor = open_plain(file, within=file.parent)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as opened:  # noqa: PTH123 - a descriptor, which pathlib has no word for
        content = opened.read(MOST_BYTES + 1)
    return content if len(content) <= MOST_BYTES else None
