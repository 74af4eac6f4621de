"""Real Harbor trials in real containers, through our environment."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.worker_agent.docker.tasks import PREBUILT, SIDECAR, Runner, TaskSpec, fault, labelled, reward, unique
from worker_agent.docker.engine import Engine

# Harbor warns of its own use of what it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

READ_ONLY = "services: {main: {read_only: true, tmpfs: [/tmp, '/tests:exec', '/solution:exec', /rw]}}"
NO_NETWORK = 'network_mode = "no-network"'


def run(runner: Runner, spec: TaskSpec, **words: Any) -> tuple[float | None, str | None, str]:
    """Reward, class of exception, and its message."""
    result = asyncio.run(runner.run(spec, **words))
    return reward(result), fault(result), result.exception_info.exception_message if result.exception_info else ""


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(PREBUILT, id="prebuilt image"),
        pytest.param(
            TaskSpec(environment=unique("RUN touch /built"), solve="test -f /built && touch /done"), id="Dockerfile"
        ),
        pytest.param(
            TaskSpec(
                environment={**unique(""), "docker-compose.yaml": SIDECAR}, solve="getent hosts db && touch /done"
            ),
            id="Compose with a sidecar",
        ),
        pytest.param(
            TaskSpec(
                environment={
                    "Dockerfile": "FROM debian:bookworm-slim\n",
                    "docker-compose.yaml": "services: {side: {build: ./side, command: sleep infinity, init: true}}",
                    "side/Dockerfile": "FROM debian:bookworm-slim\nRUN true\n",
                }
            ),
            id="Compose with a sidecar of its own making",
        ),
        pytest.param(
            TaskSpec(
                environment={
                    "Dockerfile": "FROM debian:bookworm-slim\n",
                    "docker-compose.yaml": "services: {main: {build: {context: ., args: {X: '${NOT_SET:-x}'}}}}",
                }
            ),
            id="Compose that builds by variables",
        ),
        pytest.param(
            TaskSpec(
                environment={
                    "Dockerfile": "FROM debian:bookworm-slim\n",
                    "docker-compose.yaml": READ_ONLY,
                },
                solve="touch /rw/done",
                verify='test -f /rw/done && echo 1 > /logs/verifier/reward.txt',
            ),
            id="Compose with a read-only root",
        ),
        pytest.param(
            TaskSpec(
                settings='[environment.env]\nWORD = "a b"\n',
                solve='test "$WORD" = "a b" && grep -q WORD /proc/1/environ && touch /done',
            ),
            id="variables",
        ),
        pytest.param(TaskSpec(settings='workdir = "/srv"', solve='test "$PWD" = /srv && touch /done'), id="workdir"),
        pytest.param(
            TaskSpec(
                environment=unique("RUN useradd -m someone"),
                more='[agent]\nuser = "someone"\n',
                solve='test "$(whoami)" = someone && test "$HOME" = /home/someone && touch /tmp/done /logs/agent/mine',
                verify='test -f /tmp/done && echo 1 > /logs/verifier/reward.txt',
            ),
            id="a user who is not root",
        ),
        pytest.param(
            TaskSpec(
                settings='cpus = 1\nmemory_mb = 64\n',
                solve=(
                    "grep -q 67108864 /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"
                    " && touch /done"
                ),
            ),
            id="limits",
        ),
        pytest.param(
            TaskSpec(
                settings='[environment.healthcheck]\ncommand = "test -f /ready"\ninterval_sec = 0.2\nretries = 50\n',
                environment=unique('ENTRYPOINT ["sh", "-c", "(sleep 0.5; touch /ready) & exec \\"$@\\"", "sh"]'),
                solve="test -f /ready && touch /done",
            ),
            id="Harbor's health check, and an entry point",
        ),
        pytest.param(
            TaskSpec(
                environment=unique("HEALTHCHECK --interval=1s --retries=30 CMD mkdir /checked || true"),
                solve="test -d /checked && touch /done",
            ),
            id="the image's health check",
        ),
        pytest.param(TaskSpec(environment=unique("VOLUME /data"), solve="touch /data/x /done"), id="anonymous volume"),
        pytest.param(
            TaskSpec(
                settings=NO_NETWORK,
                solve=(
                    'test "$(ls /sys/class/net)" = lo && getent hosts "$(hostname)"'
                    " && ! timeout 5 bash -c 'echo > /dev/tcp/1.1.1.1/53' && touch /done"
                ),
            ),
            id="no network",
        ),
    ],
)  # fmt: skip
def test_the_oracle_solves_a_task_with(runner: Runner, spec: TaskSpec) -> None:
    assert run(runner, spec) == (1.0, None, "")


def test_files_beside_a_prebuilt_image_are_in_the_working_directory(runner: Runner) -> None:
    spec = TaskSpec(settings=f'{PREBUILT.settings}\nworkdir = "/srv"', environment={"sub/data": "x"},
                    solve="test -f /srv/sub/data && touch /done")  # fmt: skip
    assert run(runner, spec) == (1.0, None, "")


def test_a_step_that_fails_ends_the_trial_with_the_builds_last_lines(runner: Runner) -> None:
    spec = TaskSpec(environment=unique("RUN echo what went wrong; exit 3"))
    grade, kind, message = run(runner, spec)
    assert (grade, kind) == (None, "ImageBuildError")
    assert "what went wrong" in message
    log = next(runner.folder.glob("trials/*/trial.log")).read_text()
    assert "what went wrong" in log


def test_an_image_that_is_nowhere_is_named(runner: Runner) -> None:
    spec = TaskSpec(settings='docker_image = "registry.invalid/none:1"', environment={})
    grade, kind, message = run(runner, spec)
    assert (grade, kind) == (None, "ImagePullError")
    assert "registry.invalid/none:1" in message


def test_a_first_image_that_is_nowhere_is_named(runner: Runner) -> None:
    spec = TaskSpec(environment={"Dockerfile": "FROM registry.invalid/none:1\n"})
    grade, kind, message = run(runner, spec)
    assert (grade, kind) == (None, "ImagePullError")
    assert "registry.invalid/none:1" in message


def test_a_build_beyond_the_tasks_limit_is_named(runner: Runner) -> None:
    spec = TaskSpec(settings="", environment=unique("RUN sleep 60"))
    slow = runner.folder / "slow"
    task = spec.write(slow)
    (task / "task.toml").write_text('version = "1.0"\n[environment]\nbuild_timeout_sec = 3.0\n')

    async def scenario() -> str | None:
        return fault(await (await runner.trial_of(task, name=f"slow-{uuid.uuid4().hex[:8]}")).run())

    assert asyncio.run(scenario()) == "ImageBuildTimeoutError"


def test_a_container_that_ends_at_once_says_what_it_said(runner: Runner) -> None:
    spec = TaskSpec(environment=unique('ENTRYPOINT ["sh", "-c", "echo I will not; exit 5"]'))
    grade, kind, message = run(runner, spec)
    assert (grade, kind) == (None, "ContainerStartError")
    assert "exit code 5" in message
    assert "I will not" in message


def test_a_sidecar_that_cannot_start_ends_the_trial(runner: Runner) -> None:
    compose = "services: {db: {image: 'debian:bookworm-slim', command: ['no-such-program']}}"
    grade, kind, _ = run(runner, TaskSpec(environment={**unique(""), "docker-compose.yaml": compose}))
    assert (grade, kind) == (None, "ContainerStartError")


def test_an_agent_beyond_its_time_is_graded_for_what_it_did(runner: Runner) -> None:
    spec = TaskSpec(solve="touch /done; sleep 300")
    assert run(runner, spec, override_timeout_sec=3.0)[:2] == (1.0, "AgentTimeoutError")


def test_a_command_beyond_its_time_is_harbors_error_and_runs_on(runner: Runner) -> None:
    async def scenario() -> tuple[str, str | None]:
        trial = await runner.trial(PREBUILT)
        environment = trial.agent_environment
        await environment.start(force_build=False)
        try:
            with pytest.raises(RuntimeError, match="Command timed out after 1 seconds") as error:
                await environment.exec("touch /began; exec sleep 299", timeout_sec=1)
            alive = await environment.exec("grep -az 'sleep.299' /proc/[0-9]*/cmdline | wc -c")
            return str(error.value), alive.stdout
        finally:
            await environment.stop(delete=True)

    _, alive = asyncio.run(scenario())
    assert alive != "0\n"


def test_eight_trials_of_one_dockerfile_build_it_once(runner: Runner) -> None:
    environment = unique("RUN echo once > /once")

    async def scenario() -> list[float | None]:
        trials = [await runner.trial(TaskSpec(environment=environment)) for _ in range(8)]
        return [reward(result) for result in await asyncio.gather(*(trial.run() for trial in trials))]

    assert asyncio.run(scenario()) == [1.0] * 8
    logs = [path.read_text() for path in runner.folder.glob("trials/*/trial.log")]
    assert sum("building hb__" in log for log in logs) == 1


def test_a_file_that_became_executable_is_built_anew(runner: Runner) -> None:
    dockerfile = unique("COPY tool /tool\nRUN /tool")
    spec = TaskSpec(environment={**dockerfile, "tool": "#!/bin/sh\ntrue\n"})

    async def scenario() -> tuple[str | None, str | None]:
        task = spec.write(runner.folder / "task")
        before = await (await runner.trial_of(task, name=f"before-{uuid.uuid4().hex[:8]}")).run()
        (task / "environment" / "tool").chmod(0o755)
        after = await (await runner.trial_of(task, name=f"after-{uuid.uuid4().hex[:8]}")).run()
        return fault(before), fault(after)

    assert asyncio.run(scenario()) == ("ImageBuildError", None)


def test_a_plain_trial_starts_no_program_on_the_host(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(runner.run(TaskSpec()))  # its image may have to be built
    monkeypatch.setenv("PATH", "/nowhere")
    assert run(runner, TaskSpec()) == (1.0, None, "")


@pytest.mark.parametrize("command_line", ["", "echo 'unknown flag: --project-name'; exit 125"])
def test_a_host_without_compose_is_told_what_to_install(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, command_line: str
) -> None:
    programs = runner.folder / "programs"
    programs.mkdir()
    if command_line:
        (programs / "docker").write_text(f"#!/bin/sh\n{command_line}\n")
        (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    _, kind, message = run(runner, TaskSpec(environment=unique("")))
    assert kind == "ComposeMissingError"
    assert "docker-compose-plugin" in message


def test_the_variables_of_a_task_do_not_move_the_programs_of_the_host(runner: Runner) -> None:
    spec = TaskSpec(
        environment={**unique(""), "docker-compose.yaml": SIDECAR},
        settings='[environment.env]\nDOCKER_HOST = "unix:///nowhere"\nDOCKER_CONFIG = "/nowhere"\n',
    )
    assert run(runner, spec) == (1.0, None, "")


def test_an_allow_list_without_harbors_images_is_refused_before_the_start(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TaskSpec(settings='network_mode = "allowlist"\nallowed_hosts = ["example.org"]')
    monkeypatch.setenv("PATH", "/nowhere")  # Harbor asks with the command line, which has no registry here
    with pytest.raises(ValueError, match="allowlist"):
        asyncio.run(runner.trial(spec))


def test_labels_are_on_the_container_and_only_the_workers_on_the_network(
    runner: Runner, docker: Engine, labels: dict[str, str]
) -> None:
    async def scenario() -> tuple[dict[str, str], dict[str, str]]:
        environment = (await runner.trial(TaskSpec())).agent_environment
        await environment.start(force_build=False)
        try:
            [container] = await labelled(docker, labels)
            network = await docker.json("GET", f"/networks/{runner.network}")
        finally:
            await environment.stop(delete=True)
        return container["Labels"], network["Labels"]

    of_container, of_network = asyncio.run(scenario())
    assert labels.items() <= of_container.items()
    assert "flotilla.session" in of_container
    assert of_network == labels
