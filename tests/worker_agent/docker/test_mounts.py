"""What a trial's container shares with its host is open to every account, without a command in the container."""

from pathlib import Path
from typing import Any

from worker_agent.docker.containers import workdir
from worker_agent.docker.mounts import opened


def _bind(source: Path, **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": str(source), "target": f"/{source.name}", **more}


def test_a_folder_of_the_host_is_opened_to_all_from_the_host(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert opened([_bind(tmp_path)]) == []
    assert tmp_path.stat().st_mode & 0o777 == 0o777


def test_what_is_only_read_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert opened([_bind(tmp_path, read_only=True)]) == []
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_what_the_host_does_not_have_is_left_to_the_container(tmp_path: Path) -> None:
    volume = {"type": "volume", "source": "data", "target": "/data"}
    assert opened([volume, _bind(tmp_path / "later"), volume]) == ["/data", "/later"]


def test_commands_begin_where_the_image_says_else_at_the_root() -> None:
    assert workdir({"Config": {"WorkingDir": "/app"}}) == "/app"
    assert workdir({"Config": {"WorkingDir": ""}}) == "/"
    assert workdir({"Config": {}}) == "/"
