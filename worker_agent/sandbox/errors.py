"""What can go wrong with a sandbox, named for what the reader should do about it."""


class SandboxUnsupportedError(RuntimeError):
    """The task asks for something that only a container engine can give; the mend is to run it with Docker."""


class SandboxStartError(RuntimeError):
    """This host would not make the namespaces or mounts of a sandbox; the message has the kernel's reason."""


class SandboxBuildError(RuntimeError):
    """A step of the task's Dockerfile failed inside the sandbox; the message has its last lines."""


class ProcessesExceeded(RuntimeError):
    """The sandbox was ended for how many processes it had; the mend is a task that ends what it starts."""


class SandboxLostError(RuntimeError):
    """The sandbox ended while a command ran in it: its PID 1 was killed from outside, most often for memory."""
