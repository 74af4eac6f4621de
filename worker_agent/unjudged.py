"""Endings that no verdict gave: what failed lay with us, with the host, or with the files on their way out."""

from collections.abc import Mapping
from typing import Any

from flotilla.causes import Cause
from flotilla.states import TrialState
from flotilla.store.endings import Ending


def errored(cause: Cause, fault: Exception, *, conditions: Mapping[str, Any] | None = None) -> Ending:
    """The trial came to nothing for this fault; `conditions` if it ran under any by then."""
    return Ending(
        state=TrialState.ERRORED,
        cause=cause,
        exception=type(fault).__name__,
        message=str(fault),
        conditions=conditions,
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
            conditions=ending.conditions,
        )
    return Ending(
        state=TrialState.ERRORED,
        cause=Cause.HOST_RESOURCE,
        exception="NotPublished",
        message=f"its files could not be put on the shared file system within {seconds:.0f} s",
        log_tail=ending.log_tail,
        conditions=ending.conditions,
    )
