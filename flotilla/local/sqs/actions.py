"""The actions of SQS that need no waiting: one function each, from what is asked to what is answered."""

from collections.abc import Callable, Mapping
from typing import Any

from flotilla.local.sqs.account import ACCOUNT_ID, Account, name_of
from flotilla.local.sqs.attributes import DELAY_LIMIT, MESSAGE_SIZE_LIMIT, VISIBILITY_LIMIT
from flotilla.local.sqs.messages import Delivery, Letter, attributes_digest
from flotilla.local.sqs.parameters import Parameters
from flotilla.local.sqs.queues import Queue
from flotilla.local.sqs.refusals import Refusal

type Answer = Mapping[str, Any]


def _url(queue: Queue, origin: str) -> str:
    return f"{origin}/{ACCOUNT_ID}/{name_of(queue)}"


def _create_queue(account: Account, asked: Parameters, origin: str) -> Answer:
    return {"QueueUrl": _url(account.create(asked.text("QueueName"), asked.mapping("Attributes")), origin)}


def _get_queue_url(account: Account, asked: Parameters, origin: str) -> Answer:
    return {"QueueUrl": _url(account.named(asked.text("QueueName")), origin)}


def _list_queues(account: Account, asked: Parameters, origin: str) -> Answer:
    prefix = asked.optional_text("QueueNamePrefix") or ""
    return {"QueueUrls": [_url(queue, origin) for name, queue in account.queues.items() if name.startswith(prefix)]}


def _delete_queue(account: Account, asked: Parameters, _origin: str) -> Answer:
    queue = account.at(asked.text("QueueUrl"))
    queue.close()
    del account.queues[name_of(queue)]
    return {}


def _set_attributes(account: Account, asked: Parameters, _origin: str) -> Answer:
    account.change(account.at(asked.text("QueueUrl")), asked.mapping("Attributes"))
    return {}


def _get_attributes(queue: Queue, asked: Parameters) -> Answer:
    depth = queue.depth()
    known = queue.attributes.shown() | {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(depth.visible),
        "ApproximateNumberOfMessagesNotVisible": str(depth.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(depth.delayed),
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
    }
    wanted = asked.names("AttributeNames")
    return {"Attributes": {name: value for name, value in known.items() if {name, "All"} & wanted}}


def _read_letter(queue: Queue, asked: Parameters) -> Letter:
    letter = Letter.read(asked)
    limit = queue.attributes.whole("MaximumMessageSize")
    if letter.size > limit:
        said = f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        raise Refusal("InvalidParameterValue", said)
    return letter


def _send(queue: Queue, asked: Parameters) -> Answer:
    letter = _read_letter(queue, asked)
    usual = queue.attributes.whole("DelaySeconds")
    delay = asked.whole("DelaySeconds", default=usual, least=0, most=DELAY_LIMIT)
    return {"MessageId": queue.send(letter, delay=delay), **letter.digests()}


def _delete(queue: Queue, asked: Parameters) -> Answer:
    queue.delete(asked.text("ReceiptHandle"))
    return {}


def _change_visibility(queue: Queue, asked: Parameters) -> Answer:
    seconds = asked.whole("VisibilityTimeout", default=-1, least=0, most=VISIBILITY_LIMIT)
    if seconds < 0:
        raise Refusal("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
    queue.change_visibility(asked.text("ReceiptHandle"), seconds=seconds)
    return {}


def _batch(queue: Queue, asked: Parameters, *, action: Callable[[Queue, Parameters], Answer]) -> Answer:
    """One action for every entry; an entry that is refused takes no other with it."""
    done: list[Answer] = []
    failed: list[Answer] = []
    for entry_id, entry in asked.entries().items():
        try:
            done.append({"Id": entry_id, **action(queue, entry)})
        except Refusal as refusal:
            failed.append({"Id": entry_id, "SenderFault": True, "Code": refusal.code, "Message": refusal.message})
    return {"Successful": done, "Failed": failed}


def _send_batch(queue: Queue, asked: Parameters) -> Answer:
    size = sum(len((entry.optional_text("MessageBody") or "").encode()) for entry in asked.entries().values())
    if size > MESSAGE_SIZE_LIMIT:
        said = f"Batch requests cannot be longer than {MESSAGE_SIZE_LIMIT} bytes. You have sent {size} bytes."
        raise Refusal("BatchRequestTooLong", said)
    return _batch(queue, asked, action=_send)


def _purge(queue: Queue, _asked: Parameters) -> Answer:
    queue.purge()
    return {}


_ON_ACCOUNT: dict[str, Callable[[Account, Parameters, str], Answer]] = {
    "CreateQueue": _create_queue,
    "GetQueueUrl": _get_queue_url,
    "ListQueues": _list_queues,
    "DeleteQueue": _delete_queue,
    "SetQueueAttributes": _set_attributes,
}
_ON_QUEUE: dict[str, Callable[[Queue, Parameters], Answer]] = {
    "GetQueueAttributes": _get_attributes,
    "PurgeQueue": _purge,
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
    "DeleteMessage": _delete,
    "DeleteMessageBatch": lambda queue, asked: _batch(queue, asked, action=_delete),
    "ChangeMessageVisibility": _change_visibility,
    "ChangeMessageVisibilityBatch": lambda queue, asked: _batch(queue, asked, action=_change_visibility),
}


def perform(action: str, account: Account, asked: Parameters, *, origin: str) -> Answer:
    """Do what is asked and give the answer; `origin` is the scheme, host and port by which the client reached us."""
    if on_account := _ON_ACCOUNT.get(action):
        return on_account(account, asked, origin)
    if on_queue := _ON_QUEUE.get(action):
        return on_queue(account.at(asked.text("QueueUrl")), asked)
    raise Refusal("UnsupportedOperation", f"This endpoint does not know the action {action!r}.")


def _is_wanted(name: str, wanted: frozenset[str]) -> bool:
    return any(
        pattern in {"All", ".*", name} or (pattern.endswith(".*") and name.startswith(pattern[:-2]))
        for pattern in wanted
    )


def shown(delivery: Delivery, *, system: frozenset[str], own: frozenset[str]) -> Answer:
    """One received message, with those of the queue's and of its own attributes that are wanted by name or pattern."""
    letter = delivery.message.letter
    message: dict[str, Any] = {
        "MessageId": delivery.message.message_id,
        "ReceiptHandle": delivery.receipt,
        "Body": letter.body,
        "MD5OfBody": letter.digests()["MD5OfMessageBody"],
    }
    known = delivery.system_attributes()
    if attributes := {name: value for name, value in known.items() if {name, "All"} & system}:
        message["Attributes"] = attributes
    if given := {name: value for name, value in letter.attributes.items() if _is_wanted(name, own)}:
        message |= {"MessageAttributes": given, "MD5OfMessageAttributes": attributes_digest(given)}
    return message
