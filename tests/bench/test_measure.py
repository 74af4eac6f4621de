"""What a measure notes while it goes on."""

from pathlib import Path

from bench.measure import Ground


def test_a_side_that_failed_in_the_end_has_no_figure(tmp_path: Path) -> None:
    said: list[str] = []
    ground = Ground(quick=True, work=tmp_path, rounds=None, say=said.append)
    for side in ("ours", "theirs", "ours", "theirs"):
        ground.note(side, "wall", 1.0, unit="s")
    ground.forget("theirs")
    assert [(figure.side, figure.samples) for figure in ground.figures] == [("ours", (1.0, 1.0))]
