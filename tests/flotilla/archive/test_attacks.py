"""Archives made to harm: each is refused, named, and nothing of it reaches the disk."""

import io
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from flotilla.archive import Limits, open_archive, unpack
from flotilla.task import BundleRefused, Fault, Rule
from tests.flotilla.archive.making import TASK, gzipped, pax_block, raw_block, saved, tar_info, tar_of, zip_info, zip_of

END = bytes(2 * tarfile.BLOCKSIZE)
LINK, PIPE, DEVICE = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFBLK | 0o644


def refusal(content: bytes, folder: Path, limits: Limits) -> tuple[Fault, ...]:
    """The faults, the same for checking and for unpacking, which leaves nothing behind."""
    path = saved(content, folder)
    with pytest.raises(BundleRefused) as checking:
        open_archive(path, limits=limits)
    with pytest.raises(BundleRefused) as unpacking:
        unpack(path, folder / "out" / "task", limits=limits)
    assert unpacking.value.faults == checking.value.faults
    assert list((folder / "out").iterdir()) == []
    return checking.value.faults


def linked(name: str, target: str, kind: bytes) -> bytes:
    info = tar_info(name, kind=kind)
    info.linkname = target
    return gzipped(tar_of((info, b"")))


def with_bytes(content: bytes, old: bytes, new: bytes, *, last: bool = False) -> bytes:
    """The archive with the first or last place of `old` overwritten."""
    at = content.rindex(old) if last else content.index(old)
    return content[:at] + new + content[at + len(old) :]


def forged_index(content: bytes, *, offset: int, form: str, value: int) -> bytes:
    """The zip with one field of its last index record replaced."""
    at = content.rindex(b"PK\x01\x02") + offset
    return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]


NAMES = {
    "up": "../evil", "up inside": "a/../../evil", "absolute": "/etc/evil", "backslash": "..\\evil", "drive": "C:evil",
    "new line": "a\nb", "escape": "a\x1b[31m", "long part": "a" * 256, "long path": "a/" * 2000 + "b",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("form", ["zip", "pax", "gnu"])
def test_a_name_that_no_bundle_may_have_is_refused(name: str, form: str, tmp_path: Path) -> None:
    gnu = tarfile.GNU_FORMAT if form == "gnu" else tarfile.PAX_FORMAT
    content = zip_of((name, b"x")) if form == "zip" else gzipped(tar_of((tar_info(name, size=1), b"x"), form=gnu))

    assert [fault.rule for fault in refusal(content, tmp_path, Limits())] == [Rule.NAME]
    assert not (tmp_path / "evil").exists()


CUT_NAME = with_bytes(with_bytes(zip_of(("evil@.txt", b"")), b"evil@", b"evil\0"), b"evil@", b"evil\0")
SPARSE = {"GNU.sparse.major": 1, "GNU.sparse.minor": 0}
LATIN = "zaehler".replace("ae", "ä").encode("latin-1")

SPECIAL = {
    "zip link": (zip_of((zip_info("ln", mode=LINK), b"/etc/passwd")), Rule.LINK),
    "zip pipe": (zip_of((zip_info("ff", mode=PIPE), b"")), Rule.LINK),
    "zip device": (zip_of((zip_info("dev", mode=DEVICE), b"")), Rule.LINK),
    "zip folder with content": (zip_of((zip_info("dir", mode=stat.S_IFDIR | 0o755), b"x")), Rule.LINK),
    "zip name cut by NUL": (CUT_NAME, Rule.NAME),
    "symbolic link": (linked("ln", "/etc/passwd", tarfile.SYMTYPE), Rule.LINK),
    "link inside": (linked("ln", "task.toml", tarfile.SYMTYPE), Rule.LINK),
    "hard link": (linked("ln", "task.toml", tarfile.LNKTYPE), Rule.LINK),
    "pipe": (gzipped(tar_of((tar_info("ff", kind=tarfile.FIFOTYPE), b""))), Rule.LINK),
    "device": (gzipped(tar_of((tar_info("dev", kind=tarfile.BLKTYPE), b""))), Rule.LINK),
    "unknown kind": (gzipped(tar_of((tar_info("odd", kind=b"Q"), b""))), Rule.LINK),
    "sparse": (gzipped(pax_block({**SPARSE, "GNU.sparse.realsize": 99})
                       + raw_block(tar_info("s"), size=512) + b"1\n0\n0\n".ljust(512, b"\0") + END), Rule.LINK),
    "not UTF-8": (gzipped(tar_of((tar_info(LATIN.decode("utf-8", "surrogateescape")), b""), form=tarfile.GNU_FORMAT)),
                  Rule.NAME),
    "pax path goes up": (gzipped(pax_block({"path": "../../evil"}) + raw_block(tar_info("ok"), size=0) + END),
                         Rule.NAME),
    "file twice": (gzipped(tar_of((tar_info("./task.toml"), b""))), Rule.DUPLICATE),
    "file and folder": (gzipped(tar_of((tar_info("task.toml/x"), b""))), Rule.DUPLICATE),
    "folder and file": (gzipped(tar_of((tar_info("tests"), b""))), Rule.DUPLICATE),
    "zip file as a folder": (zip_of(("task.toml/", b"")), Rule.DUPLICATE),
}  # fmt: skip


@pytest.mark.parametrize(("content", "rule"), SPECIAL.values(), ids=SPECIAL)
def test_what_is_no_file_or_folder_of_its_own_is_refused(content: bytes, rule: Rule, tmp_path: Path) -> None:
    assert [fault.rule for fault in refusal(content, tmp_path, Limits())] == [rule]


def test_a_zip_with_a_file_twice_is_refused(tmp_path: Path) -> None:
    content = with_bytes(with_bytes(zip_of(("task.tomm", b"")), b"tomm", b"toml"), b"tomm", b"toml")

    assert [(f.rule, f.pointer) for f in refusal(content, tmp_path, Limits())] == [(Rule.DUPLICATE, "/task.toml")]


def test_every_bad_member_is_told_but_not_thousands(tmp_path: Path) -> None:
    content = zip_of(*((f"../{number}", b"") for number in range(500)))

    assert len(refusal(content, tmp_path, Limits())) == 50


EXPANDED = Limits(unpacked_bytes=100_000)
ZEROS = bytes(200_000)
FEW = Limits(files=10)
BOMBS = {
    "zip": (zip_of(("zeros", ZEROS)), EXPANDED),
    "zip of many": (zip_of(*((f"z{number}", bytes(20_000)) for number in range(6))), EXPANDED),
    "tar": (gzipped(tar_of((tar_info("zeros", size=len(ZEROS)), ZEROS))), EXPANDED),
    "tar after its end": (gzipped(tar_of() + bytes(1_000_000)), EXPANDED),
    "tar skipped": (gzipped(raw_block(tar_info("d", kind=b"Q"), size=9**8) + bytes(10**6)), EXPANDED),
    "packed": (zip_of(), Limits(packed_bytes=100)),
    "zip files": (zip_of(*((f"f{number}", b"") for number in range(11))), FEW),
    "tar files": (gzipped(tar_of(*((tar_info(f"f{number}"), b"") for number in range(11)))), FEW),
    "zip folders": (zip_of(("/".join("abcdefghijk") + "/", b"")), FEW),
    "tar folders": (gzipped(tar_of((tar_info("/".join("abcdefghijkl")), b""))), FEW),
    "entries": (gzipped(tar_of(*[(tar_info("d", kind=tarfile.DIRTYPE), b"")] * 21)), FEW),
    "zip index": (zip_of(*((f"f{number}", b"") for number in range(30))), FEW),
}  # fmt: skip


@pytest.mark.parametrize(("content", "limits"), BOMBS.values(), ids=BOMBS)
def test_what_expands_past_the_limits_is_refused(content: bytes, limits: Limits, tmp_path: Path) -> None:
    if limits is EXPANDED:
        limits = Limits(unpacked_bytes=limits.unpacked_bytes, files=50)

    assert [fault.rule for fault in refusal(content, tmp_path, limits)] == [Rule.LIMIT]


LAST = zip_of(("last", bytes(1000) + b"x"), task={})
LONG_HEADER = gzipped(raw_block(tar_info("pax", kind=tarfile.XHDTYPE), size=1 << 24) + bytes(1 << 24) + END)
NESTED = gzipped(b"".join(pax_block({"path": "ab"}) for _ in range(400)) + raw_block(tar_info("x"), size=0) + END)
SPARSE_MAP = gzipped(
    pax_block(SPARSE) + raw_block(tar_info("s"), size=1 << 24) + b"9999999\n".ljust(512, b"1") + b"1\n" * (1 << 23)
)
DAMAGED = {
    "nothing": b"",
    "words": b"I am no archive",
    "a bare tar": tar_of(),
    "an empty zip": zip_of(task={}),
    "an empty tar": gzipped(END),
    "a gzip of nothing": gzipped(b""),
    "a gzip of words": gzipped(b"words" * 1000),
    "only noise": zip_of(("__MACOSX/a", b""), task={}),
    "zip cut off": zip_of()[:-30],
    "zip cut at the front": b"PK\x03\x04" + zip_of()[100:],
    "zip with a changed byte": with_bytes(zip_of((zip_info("raw", mode=0, method=0), b"honest")), b"honest", b"hOnest"),
    "zip encrypted": forged_index(LAST, offset=8, form="<H", value=1),
    "zip with strong encryption": forged_index(LAST, offset=8, form="<H", value=0x40),
    "zip packed by bzip2": zip_of((zip_info("b", mode=0, method=zipfile.ZIP_BZIP2), b"x")),
    "zip packed by lzma": zip_of((zip_info("l", mode=0, method=zipfile.ZIP_LZMA), b"x")),
    "zip that says less": forged_index(
        forged_index(LAST, offset=24, form="<I", value=4), offset=16, form="<I", value=zlib.crc32(bytes(4))
    ),
    "zip that says nothing": forged_index(
        forged_index(LAST, offset=24, form="<I", value=0), offset=16, form="<I", value=0
    ),
    "zip that says more": forged_index(LAST, offset=24, form="<I", value=5000),
    "zip with another sum": forged_index(LAST, offset=16, form="<I", value=7),
    "zip with a place outside": forged_index(LAST, offset=42, form="<I", value=0x7FFFFFFF),
    "zip of a version to come": forged_index(LAST, offset=6, form="<H", value=99),
    "zip with two names": with_bytes(LAST, b"last", b"lost"),
    "zip with a name that is not UTF-8": with_bytes(zip_of(("ä", b""), task={}), "ä".encode(), b"\xff\xff", last=True),
    "tar cut off": gzipped(tar_of())[:-20],
    "tar with a changed sum": gzipped(tar_of())[:-8] + b"\0" * 8,
    "tar without its end": gzipped(tar_of().rstrip(b"\0").ljust(4096, b"\0")),
    "tar that ends in a file": gzipped(tar_of()[:700]),
    "tar with a spoilt header": gzipped(with_bytes(tar_of(), b"environment/Dockerfile", b"environment/dockerfile")),
    "tar and another tar": gzipped(tar_of() + tar_of()),
    "tar.gz and another tar.gz": gzipped(tar_of()) * 2,
    "tar and garbage": gzipped(tar_of() + b"x"),
    "tar.gz and garbage": gzipped(tar_of()) + b"garbage",
    "tar that goes back": gzipped(tar_of()[:-10240] + raw_block(tar_info("back"), size=-1024) + END),
    "tar with an endless header": LONG_HEADER,
    "tar with headers in headers": NESTED,
    "tar with an endless map": SPARSE_MAP,
    "tar with a forged size": gzipped(pax_block({"size": 9999999999}) + raw_block(tar_info("x"), size=1) + END),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_cannot_be_read_to_its_end_is_refused(content: bytes, tmp_path: Path) -> None:
    faults = refusal(content, tmp_path, Limits())

    assert [fault.rule for fault in faults] == [Rule.ARCHIVE]
    assert all(fault.message and fault.mend for fault in faults)


@pytest.mark.parametrize("content", [zip_of(), tar_of()], ids=["zip", "tar"])
def test_any_spoilt_byte_is_refused_or_harmless(content: bytes, tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 -- the same bytes every time
    is_tar = not content.startswith(b"PK")
    for _ in range(300):
        spoilt = bytearray(content)
        for _ in range(dice.choice([1, 1, 2, 8])):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        path = saved(gzipped(bytes(spoilt)) if is_tar else bytes(spoilt), tmp_path)
        try:
            archive = open_archive(path, limits=Limits(unpacked_bytes=10**6))
        except BundleRefused as refusal:
            assert refusal.faults
        else:
            assert all(".." not in path.split("/") for path in archive.members)


def test_an_error_of_the_disk_is_no_fault_of_the_bundle(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_archive(tmp_path / "nowhere", limits=Limits())


def test_a_member_that_says_its_size_in_64_bits_and_lies_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("task.toml", TASK["task.toml"])
    plain = forged_index(buffer.getvalue(), offset=24, form="<I", value=0xFFFFFFFF)
    at = plain.rindex(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, 1 << 62)
    forged = bytearray(plain[: at + 46 + 9] + extra + plain[at + 46 + 9 :])
    forged[at + 30 : at + 32] = struct.pack("<H", len(extra))
    end = forged.rindex(b"PK\x05\x06")
    forged[end + 12 : end + 16] = struct.pack("<I", 46 + 9 + len(extra))

    assert [fault.rule for fault in refusal(bytes(forged), tmp_path, Limits())] == [Rule.ARCHIVE]
