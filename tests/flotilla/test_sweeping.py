"""Uploads that nobody completed for a day are swept; everything else stays."""

import os
from pathlib import Path

import pytest

from flotilla.layout import Layout
from flotilla.sweeping import FILE_SECONDS, sweep_files

NOW = 1_800_000_000.0


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.uploads.mkdir()
    return layout


def _written(path: Path, *, ago: float) -> Path:
    os.utime(path, (NOW - ago, NOW - ago), follow_symlinks=False)
    return path


def test_an_upload_is_swept_after_a_day_and_not_before(layout: Layout) -> None:
    old, young = layout.uploads / "old", layout.uploads / "young"
    for path, ago in ((old, FILE_SECONDS + 1), (young, FILE_SECONDS - 1)):
        path.write_bytes(b"half")
        _written(path, ago=ago)
    assert sweep_files(layout, now=NOW) == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_a_directory_of_chunks_is_swept_whole(layout: Layout) -> None:
    upload = layout.uploads / "upload"
    upload.mkdir()
    (upload / "chunk").write_bytes(b"half")
    _written(upload, ago=FILE_SECONDS + 1)
    assert sweep_files(layout, now=NOW) == 1
    assert not upload.exists()


def test_a_link_is_swept_and_what_it_names_stays(layout: Layout, tmp_path: Path) -> None:
    precious = tmp_path / "bundles"
    precious.mkdir()
    link = layout.uploads / "link"
    link.symlink_to(precious)
    _written(link, ago=FILE_SECONDS + 1)
    assert sweep_files(layout, now=NOW) == 1
    assert precious.is_dir()
    assert not link.is_symlink()


def test_a_fleet_that_never_saw_an_upload_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep_files(Layout(tmp_path), now=NOW) == 0
