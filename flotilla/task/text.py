"""Reading the texts of a task."""

from flotilla.task.fault import Rule, pointer_to_path, refused
from flotilla.task.tree import TEXT_BYTES, Kind, TaskTree


def is_file(tree: TaskTree, path: str) -> bool:
    """Whether there is a file, rather than a folder or nothing."""
    return path in tree.members and tree.members[path].kind is Kind.FILE


def text_of(tree: TaskTree, path: str, *, absent: str, limit: int = TEXT_BYTES, rule: Rule = Rule.HARBOR) -> str:
    """The text of a file, every line end as "\\n"; `absent` is the mend if there is none.

    Raises `BundleRefused` if it is absent (always Harbor's rule), no file, no UTF-8 (both the given rule) or too large.
    """
    pointer = pointer_to_path(path)
    if path not in tree.members:
        raise refused("This file is missing.", absent, rule=Rule.HARBOR, pointer=pointer)
    if not is_file(tree, path):
        raise refused("This is a folder.", "Put a text file in its place.", rule=rule, pointer=pointer)
    try:
        text = tree.read(path, limit=limit).decode()
    except UnicodeDecodeError as error:
        raise refused(f"This is not UTF-8: {error.reason}.", "Save it as UTF-8.", rule=rule, pointer=pointer) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
