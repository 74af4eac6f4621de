"""Why a measure could not be taken."""


class BenchFault(Exception):
    """A side did not do what it was to be timed at; the text says what went wrong."""


class MissingPart(BenchFault):
    """Something that a side needs is not on this machine; the text says what to install."""
