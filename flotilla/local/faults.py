"""Why a local stack cannot start or stop, in one sentence with the mend."""


class StackFault(Exception):
    """The stack cannot run; nothing of it is left running."""
