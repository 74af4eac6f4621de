"""Names of steps: each is a folder's name that every machine can hold."""

import re
import unicodedata

from flotilla.task.wrong import wrong

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9¹²³]", re.IGNORECASE)
_NAME_BYTES = 255


def checked_step_name(name: str) -> str:
    """The name, if it can be a folder on Linux, macOS and Windows alike."""
    stem = name.partition(".")[0].rstrip(" ")
    if not name.strip() or name.endswith((".", " ")) or _FORBIDDEN.search(name) or _WINDOWS_DEVICE.fullmatch(stem):
        raise wrong(
            f"{name!r} cannot be a folder's name everywhere.",
            'Leave out separators, control characters and <>:"|?*, trailing dots and spaces, and names such as NUL.',
        )
    if len(name.encode()) > _NAME_BYTES:
        raise wrong(f"A step's name has more than {_NAME_BYTES} bytes.", "Shorten it.")
    return name


def comparable(name: str) -> str:
    """What two names have in common that some file systems take for one."""
    return unicodedata.normalize("NFC", name).casefold()
