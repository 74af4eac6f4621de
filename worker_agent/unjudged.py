"""Endings that no verdict gave: what failed lay with us, with the host, or with the files on their way out."""

from flotilla.causes import Cause
from flotilla.states import TrialState
from flotilla.store.endings import Ending


def errored(cause: Cause, fault: Exception) -> Ending:
    """The trial came to nothing for this fault."""
    return Ending(
        state=TrialState.ERRORED,
        cause=cause,
        exception=type(fault).__name__,
        message=str(fault),
    )


def unpublished(ending: Ending, *, leaving: bool, seconds: float) -> Ending:
    """A trial whose files are not out does not count, unless somebody wanted its run to end anyway."""
    if ending.state is TrialState.CANCELLED:
        return ending
    if leaving:
        return Ending(
            state=TrialState.PREEMPTED,
            cause=Cause.SPOT_RECLAIMED,
            log_tail=ending.log_tail,
        )
    return Ending(
        state=TrialState.ERRORED,
        cause=Cause.HOST_RESOURCE,
        exception="NotPublished",
        message=f"its files could not be put on the shared file system within {seconds:.0f} s",
        log_tail=ending.log_tail,
    )
