"""A task finds in its sandbox what its Dockerfile says."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from worker_agent.sandbox.environment import SandboxEnvironment
from worker_agent.sandbox.errors import SandboxBuildError

from .conftest import Starting

DOCKERFILE = """FROM debian:bookworm-slim AS only
ARG VERSION=3
ENV GREETING="good day" DEPTH=$VERSION
ENV OLD form
WORKDIR /srv/folder
WORKDIR deeper
COPY one.txt renamed.txt
COPY --chown=77:88 folder many/
COPY *.txt all/
RUN echo "$GREETING $VERSION" > built && useradd agent
RUN ["touch", "with space"]
RUN <<END
echo heredoc >> built
END
USER agent
RUN id -un > /tmp/who
CMD ["nothing"]
"""


def test_a_dockerfile_is_carried_out_step_by_step(started: Starting, tmp_path: Path) -> None:
    context = tmp_path / "trial" / "environment"
    (context / "folder").mkdir(parents=True)
    (context / "one.txt").write_text("1")
    (context / "two.txt").write_text("2")
    (context / "folder" / "three.txt").write_text("3")

    async def scenario() -> str:
        async with started(dockerfile=DOCKERFILE) as sandbox:
            setting = 'pwd; id -un; echo "$GREETING/$DEPTH/$OLD"'
            files = "cat renamed.txt all/two.txt many/three.txt; echo; cat built /tmp/who"
            return (
                await sandbox.exec(f"{setting}; {files}; stat -c %u:%g many/three.txt; ls 'with space'")
            ).stdout or ""

    expected = [
        "/srv/folder/deeper",
        "agent",
        "good day/3/form",
        "123",
        "good day 3",
        "heredoc",
        "agent",
        "77:88",
        "with space",
    ]
    assert asyncio.run(scenario()).splitlines() == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("RUN echo no such luck; exit 3", "ended with 3:\nno such luck"), ("COPY ../../secret .", "there is no")],
)
def test_a_failing_step_ends_the_build_and_says_why(
    environment: Callable[..., SandboxEnvironment], line: str, complaint: str
) -> None:
    async def scenario() -> None:
        sandbox = environment(dockerfile=f"FROM debian\n{line}\n")
        try:
            with pytest.raises(SandboxBuildError, match=complaint):
                await sandbox.start(force_build=False)
        finally:
            await sandbox.stop(delete=True)

    asyncio.run(scenario())


def test_the_log_says_once_that_the_image_is_not_used(started: Starting, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with started(dockerfile="FROM debian:bookworm-slim\n"):
            return

    asyncio.run(scenario())
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1 and "debian:bookworm-slim is not used" in warnings[0]
