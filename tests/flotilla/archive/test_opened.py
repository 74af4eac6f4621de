"""Archives as honest tools make them, and what is seen of them."""

import gzip
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from flotilla.archive import Archive, Limits, open_archive
from flotilla.task import BundleRefused, Kind, check
from tests.flotilla.archive.making import TASK, below, gzipped, saved, tar_info, tar_of, zip_info, zip_of


def opened(content: bytes, folder: Path, **limits: int) -> Archive:
    return open_archive(saved(content, folder), limits=Limits(**limits))


ARCHIVES = {
    "zip": zip_of(),
    "zip in a folder": zip_of(task=below("my task")),
    "zip with its folders": zip_of(("environment/", b""), ("tests/", b"")),
    "zip from a Mac": zip_of(("__MACOSX/._task.toml", b"x"), (".DS_Store", b"x"), ("tests/.DS_Store", b"x")),
    "tar": gzipped(tar_of()),
    "tar in a folder": gzipped(tar_of(task=below("my task"))),
    "tar of a dot": gzipped(tar_of((tar_info("./", kind=tarfile.DIRTYPE), b""), task=below("."))),
    "tar from a Mac": gzipped(tar_of((tar_info("._t"), b""), task=below("t"))),
    "tar of the old format": gzipped(tar_of(form=tarfile.USTAR_FORMAT)),
    "tar in GNU's format": gzipped(tar_of(form=tarfile.GNU_FORMAT)),
    "tar with a folder twice": gzipped(tar_of(*[(tar_info("tests", kind=tarfile.DIRTYPE), b"")] * 2)),
    "tar in two gzip members": gzipped(tar_of()[:700]) + gzipped(tar_of()[700:]),
    "tar with zeros after it": gzipped(tar_of() + bytes(100_000)) + bytes(512),
}


@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES)
def test_the_task_is_found_whole_and_passes_the_check(content: bytes, tmp_path: Path) -> None:
    archive = opened(content, tmp_path)

    assert {path: member.size for path, member in archive.members.items() if member.kind is Kind.FILE} == {
        path: len(content) for path, content in TASK.items()
    }
    assert {path for path, member in archive.members.items() if member.executable} == {"tests/test.sh"}
    assert {path for path, member in archive.members.items() if member.kind is Kind.FOLDER} == {"environment", "tests"}
    assert archive.read("task.toml") == TASK["task.toml"]
    assert check(archive).has_dockerfile


def test_what_zip_and_tar_themselves_make_is_taken(tmp_path: Path) -> None:
    task = tmp_path / "task"
    for path, content in TASK.items():
        (task / path).parent.mkdir(parents=True, exist_ok=True)
        (task / path).write_bytes(content)
    (task / "tests/test.sh").chmod(0o755)
    subprocess.run(["tar", "-czf", tmp_path / "a", "-C", task, "."], check=True)
    subprocess.run(["tar", "--format=posix", "-czf", tmp_path / "b", "-C", tmp_path, "task"], check=True)

    archives = [open_archive(tmp_path / name, limits=Limits()) for name in "ab"]

    assert archives[0].members == archives[1].members
    assert archives[0].members["tests/test.sh"].executable


def test_a_zip_written_to_a_pipe_is_taken(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe has no position")

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in TASK.items():
            archive.writestr(path, content)

    assert opened(pipe.getvalue(), tmp_path).members["task.toml"].size == len(TASK["task.toml"])


def test_a_zip_with_64_bit_sizes_is_taken(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in TASK.items():
            with archive.open(path, "w", force_zip64=True) as member:
                member.write(content)

    assert opened(buffer.getvalue(), tmp_path).read("instruction.md") == TASK["instruction.md"]


def test_a_zip_from_a_system_without_modes_is_taken(tmp_path: Path) -> None:
    info = zip_info("data.bin", mode=0)
    info.create_system = 0

    archive = opened(zip_of((info, b"123")), tmp_path)

    assert (archive.members["data.bin"].kind, archive.members["data.bin"].executable) == (Kind.FILE, False)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_whole(form: int, tmp_path: Path) -> None:
    path = f"{'ä' * 120}/{'b' * 200}"

    assert path in opened(gzipped(tar_of((tar_info(path), b""), form=form)), tmp_path).members


def test_names_that_differ_in_case_only_are_two_names(tmp_path: Path) -> None:
    assert {"a", "A"} <= opened(zip_of(("a", b""), ("A", b"")), tmp_path).members.keys()


def test_the_format_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(gzipped(tar_of()))

    assert check(open_archive(path, limits=Limits()))


def test_two_folders_are_no_task_and_the_refusal_says_where_it_must_lie(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused) as refusal:
        check(opened(zip_of(("b/task.toml", b""), task=below("a")), tmp_path))

    assert [fault.pointer for fault in refusal.value.faults] == ["/task.toml"]


def test_a_bundle_may_have_exactly_as_many_files_and_bytes_as_the_limits_say(tmp_path: Path) -> None:
    size, content = sum(map(len, TASK.values())), gzipped(tar_of())

    assert opened(content, tmp_path, files=len(TASK), unpacked_bytes=size, packed_bytes=len(content))


def test_a_long_text_is_not_kept_and_refused_only_when_it_is_asked_for(tmp_path: Path) -> None:
    archive = opened(gzip.compress(tar_of((tar_info("x/instruction.md", size=2 << 20), bytes(2 << 20)))), tmp_path)

    assert check(archive)
    with pytest.raises(BundleRefused, match="more than 1,048,576 bytes"):
        archive.read("x/instruction.md")
