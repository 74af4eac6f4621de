"""What this worker has in hand: messages on their way to a claim, and runs that it carries out."""

import asyncio
from collections.abc import Iterable

from flotilla.messages import Message
from worker_agent.assignment import Assignment
from worker_agent.verdict import Stopped


class Roster:
    """Shared by the loops of one worker, on one event loop. `empty` is set while nothing is in hand."""

    def __init__(self) -> None:
        self.begun = 0
        """How many runs were ever carried out, or given back at once."""
        self.assignments: dict[str, Assignment] = {}
        """By trial: a run may come back to the worker that lost it before that one's trial has ended."""
        self.empty = asyncio.Event()
        self.empty.set()
        self.hiding = asyncio.Lock()
        """Held while messages are hidden, so that no renewal under way hides what was just given back."""
        self._handing_back = False
        self._claiming: set[Message] = set()
        self._answering: set[Message] = set()

    def receive(self, message: Message) -> None:
        """A message is here; its run is not claimed yet."""
        self._claiming.add(message)
        self.empty.clear()

    def begin(self, assignment: Assignment) -> None:
        """A run is now ours to carry out; an earlier trial of it that we have not given up yet is another's by now."""
        for former in self.assignments.values():
            if former.run.lease.run_id == assignment.run.lease.run_id:
                former.stop(Stopped.LEASE_LOST)
        self._claiming.discard(assignment.message)
        self.assignments[assignment.run.lease.trial_id] = assignment
        self.begun += 1
        if self._handing_back:
            assignment.stop(Stopped.PREEMPTED)

    def hand_back(self, *, running: bool) -> None:
        """Gives back what has no trial yet, and with `running` what has one too. No trial begins here after that."""
        self._handing_back = True
        for assignment in self.assignments.values():
            if running or not assignment.has_trial:
                assignment.stop(Stopped.PREEMPTED)

    def let_go(self, message: Message) -> None:
        """The message is about to be answered, or gone: it must not be hidden any more."""
        if message in self._claiming:
            self._answering.add(message)
        for assignment in self.assignments.values():
            if assignment.message == message:
                assignment.holds_message = False

    def done(self, message: Message) -> None:
        """The message was answered, whatever became of its run."""
        self._claiming.discard(message)
        self._answering.discard(message)
        kept = {trial: assignment for trial, assignment in self.assignments.items() if assignment.message != message}
        self.assignments = kept
        if not self._claiming and not self.assignments:
            self.empty.set()

    def claiming(self) -> set[str]:
        """Every run that is about to be ours."""
        return {message.run_id for message in self._claiming}

    def trial_names(self) -> set[str]:
        """Every trial that is carried out here."""
        return {assignment.run.trial_name for assignment in self.assignments.values()}

    def messages(self) -> Iterable[Message]:
        """Every message that must stay hidden from others."""
        held = (assignment.message for assignment in self.assignments.values() if assignment.holds_message)
        return [*(self._claiming - self._answering), *held]
