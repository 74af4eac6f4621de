"""What this worker has in hand: messages on their way to a claim, and runs that it carries out."""

import asyncio
from collections.abc import Iterable

from flotilla.messages import Message
from worker_agent.assignment import Assignment


class Roster:
    """Shared by the loops of one worker, on one event loop. `empty` is set while nothing is in hand."""

    def __init__(self) -> None:
        self.assignments: dict[str, Assignment] = {}
        self.empty = asyncio.Event()
        self.empty.set()
        self._claiming: set[Message] = set()

    def receive(self, message: Message) -> None:
        """A message is here; its run is not claimed yet."""
        self._claiming.add(message)
        self.empty.clear()

    def begin(self, assignment: Assignment) -> None:
        """A run is now ours to carry out."""
        self._claiming.discard(assignment.message)
        self.assignments[assignment.run.lease.run_id] = assignment

    def done(self, message: Message) -> None:
        """The message was answered, whatever became of its run."""
        self._claiming.discard(message)
        assignment = self.assignments.get(message.run_id)
        if assignment is not None and assignment.message == message:
            del self.assignments[message.run_id]
        if not self._claiming and not self.assignments:
            self.empty.set()

    def run_ids(self) -> set[str]:
        """Every run that is ours or is about to be."""
        return self.assignments.keys() | {message.run_id for message in self._claiming}

    def messages(self) -> Iterable[Message]:
        """Every message that must stay hidden from others."""
        return [*self._claiming, *(assignment.message for assignment in self.assignments.values())]
