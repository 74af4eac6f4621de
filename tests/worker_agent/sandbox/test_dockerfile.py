"""A Dockerfile is read as far as it can be carried out, and refused where it cannot."""

from pathlib import Path

import pytest

from worker_agent.sandbox.dockerfile import expand, read
from worker_agent.sandbox.errors import SandboxUnsupportedError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "Dockerfile"
    path.write_text(text)
    return path


def test_instructions_are_read_with_continuations_comments_and_here_documents(tmp_path: Path) -> None:
    text = """# syntax=docker/dockerfile:1
FROM debian
run apt-get update && \\
    # why not
    apt-get install x
RUN <<END
echo one
END
COPY --chown=1:1 --chmod=755 ["a b", "/c/"]
CMD ["ignored"]
"""
    instructions = read(written(tmp_path, text))
    assert [(step.name, step.flags) for step in instructions] == [
        ("FROM", ()),
        ("RUN", ()),
        ("RUN", ()),
        ("COPY", ("--chown=1:1", "--chmod=755")),
    ]
    assert " ".join(instructions[1].text.split()) == "apt-get update && apt-get install x"
    assert instructions[2].text == "<<END\necho one\nEND"
    assert instructions[3].words() == ["a b", "/c/"]


@pytest.mark.parametrize(
    "line",
    [
        "FROM other",
        "COPY --from=other /a /b",
        "RUN --mount=type=secret,id=x cat /run/secrets/x",
        "ADD https://example.org/x /x",
        "ADD archive.tar.gz /x",
        "ONBUILD RUN true",
        "COPY <<END /x\nhello\nEND",
    ],
)
def test_what_only_an_image_builder_can_do_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(SandboxUnsupportedError, match="Docker engine"):
        read(written(tmp_path, f"FROM debian\n{line}\n"))


def test_variables_are_expanded_as_docker_does() -> None:
    assert expand(r"$A/${B}/${C:-c}/${D}/\$A", {"A": "a", "B": "b"}) == "a/b/c//$A"
