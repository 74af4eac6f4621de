"""Tasks of every shape that Harbor knows, sound and broken."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.flotilla.task.toml_text import toml_text

Files = dict[str, str | bytes | None]
"""Contents by path; None is an empty folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A task to write down. `toml`, where given, stands in for the configuration."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    toml: bytes | None = None

    def write(self, folder: Path) -> Path:
        """Puts the task on disk and gives its folder."""
        folder.mkdir()
        toml = toml_text(self.config).encode() if self.toml is None else self.toml
        for path, content in {"task.toml": toml, **self.files}.items():
            place = folder / path
            if content is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def with_files(self, **files: str | bytes | None) -> "Sample":
        """The same with these files too; `__` stands for the `/` of a path, `_dot_` for its dot."""
        named = {name.replace("__", "/").replace("_dot_", "."): content for name, content in files.items()}
        return replace(self, files={**self.files, **named})


DOCKERFILE: Files = {"environment/Dockerfile": "FROM debian:bookworm-slim\n"}
COMPOSE: Files = {"environment/docker-compose.yaml": "services:\n  main: {}\n  db:\n    image: postgres:17\n"}
SCRIPT = "#!/bin/sh\necho 1 > /logs/verifier/reward.txt\n"
PLAIN: Files = {"instruction.md": "Write hello.\n", "tests/test.sh": SCRIPT, "solution/solve.sh": "#!/bin/sh\n"}
IMAGE = {"docker_image": "debian:bookworm-slim"}


def _plain(name: str, environment: Files = DOCKERFILE, /, **config: Any) -> Sample:
    return Sample(name=name, config=config, files={**PLAIN, **environment})


def _steps(name: str, *steps: dict[str, Any], own_tests: bool = True, **config: Any) -> Sample:
    files: Files = dict(DOCKERFILE)
    for step in steps:
        files[f"steps/{step['name']}/instruction.md"] = "Go on.\n"
        if own_tests:
            files[f"steps/{step['name']}/tests/test.sh"] = SCRIPT
    if not own_tests:
        files["tests/test.sh"] = SCRIPT
    return Sample(name=name, config={"steps": list(steps), **config}, files=files)


def without(sample: Sample, *paths: str) -> Sample:
    return replace(sample, files={path: content for path, content in sample.files.items() if path not in paths})


CHECK = {"command": "true", "interval_sec": 1.5, "timeout_sec": 5, "start_period_sec": 2, "retries": 4}
MCP = {"name": "files", "transport": "stdio", "command": "mcp", "args": ["-v"]}
HOSTS = ["Example.com", "*.example.org", "192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", "localhost."]
TWO = ({"name": "first"}, {"name": "second"})


EVERYTHING: dict[str, Any] = {
    "schema_version": "1.4",
    "source": "here",
    "multi_step_reward_strategy": "final",
    "task": {"name": "org/all", "version": "2", "description": "d", "authors": [{"name": "A", "email": "a@b"}],
             "keywords": ["k"]},
    "metadata": {"a": {"b": 1}},
    "agent": {"timeout_sec": 60, "user": "me", "network_mode": "allowlist", "allowed_hosts": ["a.b"]},
    "verifier": {"timeout_sec": 60, "user": 0, "env": {"A": "b"}, "environment_mode": "separate",
                 "environment": {"cpus": 1, "env": {"A": "b"}}, "network_mode": "public",
                 "collect": [{"command": "x", "service": "main", "timeout_sec": 5, "user": "me"}]},
    "environment": {"build_timeout_sec": 60, "docker_image": "x", "os": "linux", "cpus": 1, "memory_mb": 1024,
                    "memory": "1G", "storage_mb": 1024, "storage": "1G", "gpus": 0, "gpu_types": ["T4"],
                    "tpu": {"type": "v4", "topology": "2x2"}, "env": {"A": "b"}, "skills_dir": "/s", "workdir": "/w",
                    "healthcheck": {**CHECK, "start_interval_sec": 1}, "network_mode": "allowlist",
                    "allowed_hosts": ["a.b"], "allow_internet": True,
                    "mcp_servers": [MCP, {"name": "b", "transport": "sse", "url": "http://h"}]},
    "solution": {"env": {"A": "b"}},
    "artifacts": ["/a", {"source": "/b", "destination": "c", "exclude": ["x"], "service": "main"}],
    "steps": [{"name": "a", "min_reward": 0.5, "agent": {"timeout_sec": 5}, "verifier": {"environment_mode": "shared"},
               "healthcheck": CHECK, "artifacts": [{"source": "/d", "service": "main"}]},
              {"name": "b", "min_reward": {"reward": 1}}],
}  # fmt: skip
"""Every field at once, each with a value that is right."""


def _plain_samples() -> Iterator[Sample]:
    yield _plain("bare")
    yield _plain("compose", COMPOSE)
    yield _plain("compose-and-dockerfile", {**COMPOSE, **DOCKERFILE})
    yield _plain("image", {}, environment=IMAGE)
    yield _plain("image-with-files", {"environment/data.csv": "a,b\n"}, environment=IMAGE)
    yield _plain("image-and-dockerfile", environment=IMAGE)
    yield _plain("schema-version", schema_version="1.2")
    yield _plain("old-version", version="1.0")
    yield _plain("both-versions", version=3, schema_version="1.0")
    yield _plain("package", task={"name": "org/name", "version": "1", "authors": [{"name": "A"}], "keywords": ["k"]})
    yield _plain("metadata", metadata={"difficulty": "hard", "nested": {"a": [1, {"b": 2}]}}, source="here")
    yield _plain("unknown-keys", unknown=1, environment={"unknown": [1]}, agent={"unknown": {"a": 1}})
    yield _plain("no-steps", steps=[], multi_step_reward_strategy="mean")
    yield without(_plain("no-solution"), "solution/solve.sh")
    yield _plain("empty-instruction").with_files(instruction_dot_md="")
    yield _plain("canary").with_files(instruction_dot_md="# canary 123\r\n\r\nGo.\r")
    yield replace(_plain("bare-returns"), toml=b"source = 'a'\r[agent]\rtimeout_sec = 5\r")


def _environment_samples() -> Iterator[Sample]:
    yield _plain("resources", environment={"cpus": 2, "memory_mb": 512, "storage_mb": 1024, "gpus": 0})
    yield _plain("resources-as-text", environment={"cpus": "2", "memory_mb": "512", "storage_mb": 1024.0, "gpus": True})
    yield _plain("old-sizes", environment={"memory": "2G", "storage": "10240K"})
    yield _plain("old-and-new-sizes", environment={"memory": "2G", "memory_mb": 2048, "storage": 5})
    yield _plain("gpu", environment={"gpus": 1, "gpu_types": ["H100"], "tpu": {"type": "v6e", "topology": "2x4"}})
    yield _plain(
        "times", agent={"timeout_sec": 90}, verifier={"timeout_sec": 30.5}, environment={"build_timeout_sec": 5}
    )
    yield _plain("users", agent={"user": "agent"}, verifier={"user": 1000})
    yield _plain("variables", environment={"env": {"A": "${A:-x}"}}, verifier={"env": {"B": "1"}}, solution={"env": {}})
    yield _plain("workdir", environment={"workdir": "/app", "skills_dir": "/skills", "os": "Linux"})
    yield _plain("healthcheck", environment={"healthcheck": CHECK})
    yield _plain("mcp", environment={"mcp_servers": [MCP, {"name": "web", "transport": "http", "url": "http://h"}]})
    yield _plain("no-network", environment={"network_mode": "no-network"})
    yield _plain("allowlist", environment={"network_mode": "allowlist", "allowed_hosts": HOSTS})
    yield _plain("allowlist-of-none", environment={"network_mode": "allowlist"})
    yield _plain("phase-networks", agent={"network_mode": "no-network"}, verifier={"network_mode": "public"})
    yield _plain("old-internet", environment={"allow_internet": False})
    yield _plain("old-internet-overruled", environment={"allow_internet": False, "network_mode": "public"})
    yield _plain("old-internet-as-text", environment={"allow_internet": "yes"})


def _collected_samples() -> Iterator[Sample]:
    yield _plain("artifacts", artifacts=["/app/out", {"source": "log", "destination": "logs/", "exclude": ["*.tmp"]}])
    yield _plain("overlapping-artifacts", artifacts=["/app", "/app/out", {"source": "/x", "destination": "app"}])
    yield _plain("sidecar-artifacts", COMPOSE, artifacts=[{"source": "/dump.sql", "service": "db"}])
    yield _plain("windows-artifact", COMPOSE, artifacts=[{"source": "C:\\out", "service": "db"}])
    yield _plain("collect", COMPOSE, verifier={"collect": [{"command": "dump", "service": " db "}, {"command": "x"}]})


def _verifier_samples() -> Iterator[Sample]:
    yield _plain("separate", verifier={"environment_mode": "separate"})
    yield _plain("separate-implied", verifier={"environment": {"cpus": 1}})
    bundled = without(_plain("tests-in-image", verifier={"environment": IMAGE}), "tests/test.sh")
    yield bundled
    built = without(_plain("tests-built", verifier={"environment_mode": "separate"}), "tests/test.sh")
    yield built.with_files(tests__Dockerfile="FROM x\n")
    composed = replace(built, name="tests-composed")
    yield composed.with_files(**{"tests__docker-compose_dot_yaml": "services:\n  main:\n    image: x\n"})
    yield _plain("shared-said", verifier={"environment_mode": "shared"}).with_files(tests__Dockerfile="FROM x\n")


def _step_samples() -> Iterator[Sample]:
    yield _steps("two-steps", *TWO)
    yield _steps("shared-tests", *TWO, own_tests=False, multi_step_reward_strategy="final")
    yield _steps("one-step", {"name": "schön .x", "min_reward": 0.5})
    timed = {"name": "a", "agent": {"timeout_sec": 5}, "verifier": {"timeout_sec": 7}}
    yield _steps("step-times", timed, {"name": "b"},
                 agent={"timeout_sec": 11}, verifier={"timeout_sec": 13})  # fmt: skip
    yield _steps(
        "step-rewards", {"name": "a", "min_reward": {"reward": 0.5, "speed": "1"}}, {"name": "b", "min_reward": 1}
    )
    yield _steps("step-artifacts", {"name": "a", "artifacts": ["/a", {"source": "/b"}]}, artifacts=["/a"])
    yield _steps("step-healthcheck", {"name": "a", "healthcheck": CHECK}, environment={"healthcheck": CHECK})
    yield _steps("step-network", {"name": "a", "agent": {"network_mode": "allowlist", "allowed_hosts": ["h"]}})
    yield _steps("step-collect", {"name": "a", "verifier": {"collect": [{"command": "x", "timeout_sec": 2}]}})
    image = {"name": "a", "verifier": {"environment": IMAGE}}
    yield without(_steps("step-tests-in-image", image), "steps/a/tests/test.sh")
    yield _steps(
        "step-shares", {"name": "a", "verifier": {"environment_mode": "shared"}}, verifier={"environment": IMAGE}
    )
    inherits = without(
        _steps("step-inherits-separate", {"name": "a"}, verifier={"environment": IMAGE}), "steps/a/tests/test.sh"
    )
    yield inherits
    yield _steps("step-old-internet", {"name": "a", "verifier": {"environment": {"allow_internet": True}}})
    yield _steps("dotted", {"name": ".hidden"}, {"name": "x.y"})
    yield _steps("everything", *EVERYTHING["steps"], **{k: v for k, v in EVERYTHING.items() if k != "steps"})
    yield _steps("steps-composed", *TWO).with_files(**{"environment__docker-compose_dot_yaml": "volumes: {v: {}}\n"})


def _broken_samples() -> Iterator[Sample]:
    yield _plain("windows-verifier", verifier={"environment": {"os": "windows"}}).with_files(tests__test_dot_bat="exit")
    yield _plain("windows", environment={"os": "WINDOWS"}).with_files(tests__test_dot_bat="exit")
    yield _plain("nothing-to-run-in", {})
    yield _plain("empty-environment", {"environment": None})
    yield without(_plain("no-tests"), "tests/test.sh")
    yield without(_plain("no-instruction"), "instruction.md")
    yield Sample(name="only-toml")
    yield replace(_plain("no-toml-syntax"), toml=b"[agent\n")
    yield replace(_plain("latin-1"), toml="source = 'ä'".encode("latin-1"))
    yield replace(_plain("byte-order-mark"), toml=b"\xef\xbb\xbfsource = 'a'\n")
    yield _plain("negative", environment={"cpus": -1, "memory_mb": 0, "build_timeout_sec": 0.0})
    yield _plain("endless", agent={"timeout_sec": float("inf")}, verifier={"timeout_sec": float("nan")})
    yield _plain("sidecar-nowhere", verifier={"collect": [{"command": "dump", "service": "db"}]})
    yield _plain("compose-list", {"environment/docker-compose.yaml": "services: [a]\n"})
    yield _plain("compose-torn", {"environment/docker-compose.yaml": "services: {a\n"})
    yield _plain("privileged", {"environment/docker-compose.yaml": "services: {main: {privileged: true}}\n"})
    socket = "services: {db: {image: x, volumes: ['/var/run/docker.sock:/s']}}\n"
    yield _plain("docker-socket", {"environment/docker-compose.yaml": socket})
    yield _steps("same-step-twice", {"name": "a"}, {"name": "A"})
    yield _steps("same-step-in-capitals", {"name": "straße"}, {"name": "STRASSE"})
    yield _steps("same-step-in-unicode", {"name": "é"}, {"name": "e\u0301"})
    yield without(_steps("step-without-instruction", *TWO), "steps/first/instruction.md")
    yield without(_steps("step-without-tests", *TWO), "steps/second/tests/test.sh")


def sound_tasks() -> list[Sample]:
    """Tasks that can run, each of a shape of its own."""
    parts = (_plain_samples, _environment_samples, _collected_samples, _verifier_samples, _step_samples)
    return [sample for part in parts for sample in part()]


def broken_tasks() -> list[Sample]:
    """Tasks with one fault each, by Harbor's rules or by ours."""
    return list(_broken_samples())
