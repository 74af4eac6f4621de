"""What the endpoint refuses, in the codes by which boto3 finds its exceptions."""

from http import HTTPStatus

_QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}
"""The codes of the old query protocol, which boto3 still puts into `Error.Code`, where they differ from the shape."""

_STATUS = {"OverLimit": HTTPStatus.FORBIDDEN, "PurgeQueueInProgress": HTTPStatus.FORBIDDEN}


class Refusal(Exception):
    """A request that SQS answers with an error: `shape` is the error's name in the service's model."""

    def __init__(self, shape: str, message: str) -> None:
        super().__init__(message)
        self.shape = shape
        self.message = message

    @property
    def code(self) -> str:
        """What boto3 shows as `Error.Code`, and what the failed entry of a batch carries."""
        return _QUERY_CODES.get(self.shape, self.shape)

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return _STATUS.get(self.shape, HTTPStatus.BAD_REQUEST)


def invalid(name: str, value: object, *, reason: str) -> Refusal:
    """The refusal of one parameter's value, in the words that SQS uses."""
    return Refusal("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")
