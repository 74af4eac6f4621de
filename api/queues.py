"""`/v1/queues`: what waits in the queues, what died there, and how it comes back."""

from fastapi import APIRouter, Depends

from api.context import Context
from api.media_types import takes
from api.problems import Kind, documented
from api.schemas import QueuePage, QueueStanding, RedriveOrder, RedrivePage
from flotilla.queue import RunQueue
from flotilla.redriving import redrive
from flotilla.states import Priority

router = APIRouter(prefix="/queues", tags=["queues"])
AWAY = (Kind.UNAVAILABLE, Kind.QUEUE_UNAVAILABLE)
HIGH_FIRST = (Priority.HIGH, Priority.NORMAL)


@router.get("", operation_id="list_queues", responses=documented(*AWAY))
def show_queues(context: Context) -> QueuePage:
    """Lists the two queues; SQS counts about right, and up to a minute late."""
    return QueuePage(items=[_standing(context.queue, priority) for priority in HIGH_FIRST])


@router.post(
    "/redrive",
    operation_id="redrive_queues",
    dependencies=[Depends(takes("application/json"))],
    responses=documented(Kind.MALFORMED, Kind.TOO_LARGE, Kind.MEDIA_TYPE, Kind.INVALID, *AWAY),
)
def redrive_queues(order: RedriveOrder, context: Context) -> RedrivePage:
    """Brings messages that were received too often back to their queue, for a few seconds: see `remaining`."""
    wanted = HIGH_FIRST if order.priority is None else (order.priority,)
    return RedrivePage(items=[redrive(context.engine, context.queue, priority) for priority in wanted])


def _standing(queue: RunQueue, priority: Priority) -> QueueStanding:
    depth, dead = queue.depth(priority), queue.dead_letters.depth(priority)
    return QueueStanding(
        priority=priority,
        visible=depth.visible,
        in_flight=depth.in_flight,
        delayed=depth.delayed,
        dead_letters=dead.visible + dead.in_flight + dead.delayed,
    )
