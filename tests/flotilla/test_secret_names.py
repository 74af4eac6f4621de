import pytest

from flotilla.secret_names import MODEL_KEY, flaw_of


@pytest.mark.parametrize("name", [MODEL_KEY, "A", "ANTHROPIC_API_KEY", "HF_TOKEN", "A1_", "PATHS", "A" * 128])
def test_names_of_variables_that_nothing_else_uses_are_allowed(name: str) -> None:
    assert flaw_of(name) is None


@pytest.mark.parametrize("name", ["", "a", "1A", "A-B", "A B", "_A", "A\n", "É", "A" * 129])
def test_what_is_no_name_is_told_so(name: str) -> None:
    assert "is no name" in str(flaw_of(name))


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "TMPDIR", "SHELL", "LANG", "LC_ALL", "LD_PRELOAD", "PYTHONPATH"),
        *("DOCKER_HOST", "COMPOSE_FILE", "AWS_PROFILE", "FLOTILLA_SHARED", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET"),
    ],
)
def test_names_that_steer_the_worker_are_reserved(name: str) -> None:
    assert "is reserved" in str(flaw_of(name))
