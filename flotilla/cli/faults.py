"""What can go wrong in a command: what the person at the terminal is told, and the exit code for its kind."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The codes of every command; `flotilla run --help` lists them."""

    DONE = 0
    """It did what was asked."""
    FAILED = 1
    """The server answered with an error of its own, or the job was cancelled while it was waited for."""
    USAGE = 2
    """The command, the task or what it asks for is wrong, or the stack cannot start here."""
    UNREACHABLE = 3
    """No server answers."""
    REFUSED = 4
    """The server does not know the key, or the key may not do that."""
    INTERRUPTED = 130
    """Ctrl-C; what the server was told to do goes on."""


class CommandFault(Exception):
    """Ends the command. Each line of the message is printed to standard error: the fault, then the mend."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.code = code
