"""Objects that live as long as their process: their reference counts are written no more.

A forked process shares its parent's pages until one of them writes to them, and to look at a Python object is to write
its count. Python has objects whose count stands still (PEP 683, which was made for forks like ours), yet offers no way
to make more of them: this sets the counts as the interpreter sets its own.
"""

import ctypes
import gc
import sys
from types import CodeType, FrameType
from typing import Any

_COUNTS = {(3, 12), (3, 13)}
"""The versions in which the lower half of the count, all bits set, is what makes an object immortal."""
_MARK = 0xFFFF_FFFF
_DEEPER = (tuple, dict, frozenset)
"""What the collector does not follow once it has found only plain values in it."""


def make_all_immortal() -> int:
    """Every object that is there, but for calls under way; how many were met. Does nothing where it is not known how.

    None of them is ever freed, and none of those that hold something open closes it by itself any more: it is for a
    process that does no more than fork.
    """
    if sys.version_info[:2] not in _COUNTS or not _is_where_it_was():
        return 0
    met = 0
    for found in gc.get_objects():
        if not isinstance(found, FrameType):
            met += _make_immortal(found)
    return met


def _is_where_it_was() -> bool:
    """Whether an object begins with its count, which builds without the interpreter's lock, or for tracing, change."""
    mortal, fixed = (ctypes.c_uint32.from_address(id(value)).value for value in (object(), None))
    return fixed == _MARK and 0 < mortal < _MARK


def is_immortal(value: object) -> bool:
    """Whether its count stands still."""
    return sys.getrefcount(value) >= _MARK


def _make_immortal(value: Any) -> int:
    """It and the plain values that it holds."""
    ctypes.c_uint32.from_address(id(value)).value = _MARK
    met = 1
    for held in gc.get_referents(value):
        if gc.is_tracked(held) or is_immortal(held):
            continue
        if isinstance(held, CodeType):
            met += sum(map(_make_immortal, (held.co_consts, held.co_names, held.co_varnames)))
        if isinstance(held, _DEEPER):
            met += _make_immortal(held)
        else:
            ctypes.c_uint32.from_address(id(held)).value = _MARK
            met += 1
    return met
