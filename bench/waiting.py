"""`hello`, whose agent first stays at work for a while, so that as many trials as there are slots live at once."""

from pathlib import Path

from bench.stack import HELLO

LIMIT = "timeout_sec = 30"


def write(place: Path, *, seconds: int) -> Path:
    """Makes the task's folder; its path."""
    for file in HELLO.rglob("*"):
        if file.is_file():
            target = place / file.relative_to(HELLO)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    solution, settings = place / "solution" / "solve.sh", place / "task.toml"
    shebang, _, rest = solution.read_text().partition("\n")
    solution.write_text(f"{shebang}\necho waiting\nsleep {seconds}\n{rest}")
    settings.write_text(settings.read_text().replace(LIMIT, f"timeout_sec = {2 * seconds}"))
    return place
