"""Bundles in one file: reading them without trust, unpacking them, packing them."""

from flotilla.archive.opened import Archive, open_archive
from flotilla.archive.packing import Packed, pack
from flotilla.archive.unpacking import unpack
from flotilla.task.limits import Limits

__all__ = ["Archive", "Limits", "Packed", "open_archive", "pack", "unpack"]
