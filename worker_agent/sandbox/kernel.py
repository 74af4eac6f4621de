"""The Linux calls that Python's standard library lacks, each raising `OSError` with the kernel's own reason."""

import ctypes
import os

READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
BIND = 4096
_REMOUNT, _RECURSIVE, _PRIVATE, _DETACH = 32, 16384, 1 << 18, 2
# A bind mount inherits these, and a user namespace may not take them off again: a remount has to repeat them.
_LOCKED = NO_SUID | NO_DEVICES | NO_EXEC | os.ST_NOATIME | os.ST_NODIRATIME

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount like mount(2), except that `BIND | READ_ONLY` gives a read-only bind in one go."""
    libc = _libc()
    names = [os.fsencode(source), os.fsencode(target), kind.encode()]
    first = flags & ~READ_ONLY if flags & BIND else flags
    _check(libc.mount(*names, ctypes.c_ulong(first), os.fsencode(data)), f"mount {target}")
    if flags & BIND and flags & READ_ONLY:
        kept = os.statvfs(target).f_flag & _LOCKED
        _check(libc.mount(*names, ctypes.c_ulong(flags | kept | _REMOUNT), None), f"make {target} read-only")


def keep_mounts_private() -> None:
    """From here on no mount of this mount namespace reaches another, nor the other way round."""
    _check(_libc().mount(b"none", b"/", None, ctypes.c_ulong(_RECURSIVE | _PRIVATE), None), "make mounts private")


def unmount(target: str) -> None:
    """Take a mount off its place now; the kernel ends it when its last user has gone."""
    _check(_libc().umount2(os.fsencode(target), _DETACH), f"unmount {target}")


def change_root(root: str) -> None:
    """Make `root` (a mount point) the whole file system of this mount namespace; the old one is gone for good."""
    os.chdir(root)
    _check(_libc().pivot_root(b".", b"."), f"pivot_root {root}")
    unmount(".")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when the thread that started it ends."""
    _check(_libc().prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "set the parent-death signal")


def hide_from_tracers() -> None:
    """No process without power over this one may read its memory or environment, or trace it."""
    _check(_libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "make the process undumpable")


def keep_capabilities(kept: frozenset[int]) -> None:
    """Nothing this process starts can ever have a capability outside `kept`, nor gain any by a set-uid program."""
    libc = _libc()
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:  # noqa: PTH123 (pathlib is slow to import)
        last = int(file.read())
    for capability in range(last + 1):
        if capability not in kept:
            _check(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), f"drop capability {capability}")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
