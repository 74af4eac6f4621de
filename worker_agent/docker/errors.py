"""What can go wrong between a trial and the Docker engine. The class names are what causes are told from.

None of them is a `TimeoutError`: Harbor takes those for its own limits and would hide what happened.
"""


class EngineUnavailableError(RuntimeError):
    """No engine answers, or not in time: the fault of this host, never of the task."""


class NotReachedError(EngineUnavailableError):
    """Nobody listens at the engine's socket: nothing was asked, and the engine may be on its way up."""


class AnswerLostError(EngineUnavailableError):
    """The connection ended before the answer: what was asked may have been done or not."""


class ComposeMissingError(RuntimeError):
    """Dockerfiles and Compose files need `docker compose`, and this host does not have it."""

    def __init__(self, fault: object) -> None:
        mend = "install Docker's command line and its plugin docker-compose (docker-compose-plugin, version 2 or newer)"
        super().__init__(f"this host has no `docker compose` ({fault}): {mend}")


class EngineError(RuntimeError):
    """The engine refused a request; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the Docker engine answered {status}: {message}")
        self.status = status
        self.message = message


class ImageBuildError(RuntimeError):
    """A step of the task's Dockerfile failed; the message has the end of the build's output."""


class ImageBuildTimeoutError(RuntimeError):
    """The image was not built within the task's `build_timeout_sec`; the message has the end of the output."""


class ImagePullError(RuntimeError):
    """An image that the task names is neither on this host nor to be had from its registry."""


class ComposeFileError(RuntimeError):
    """The task's Compose files cannot be read, or ask for what only the deployment could allow; nothing was started."""


class ContainerStartError(RuntimeError):
    """A container of the task could not be made or started, or ended at once; the message says what the engine said."""


class ImageGoneError(ContainerStartError):
    """The image of a container that is to be made is not on this host any more: have it again, and try once more."""
