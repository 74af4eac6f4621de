"""What the old way needs is named before anything is timed."""

from pathlib import Path

import pytest

from bench.faults import MissingPart
from bench.old_way import running as old_way


def test_a_machine_without_redis_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match="apt-get install redis-server"):
        old_way.check()


def test_an_environment_without_celery_is_told_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = tmp_path / "redis-server"
    redis.write_text("#!/bin/sh\n")
    redis.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(old_way, "CELERY", tmp_path)
    with pytest.raises(MissingPart, match=r"make \.cache/celery/ready"):
        old_way.check()
