"""The verdict: what the witnesses say, compared, as rows of which each names its breaches."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flotilla.local.drill.facts import Facts, Result, Run, Trial
from flotilla.local.drill.ledger import Entry, Phase, by_trial
from flotilla.local.drill.recovery import loss_of, percentile, recoveries
from flotilla.states import TERMINAL, RunState, TrialState

FOUND_SECONDS = 30.0  # beyond the lease: three ticks of the pulse, dispatch, receipt, claim
PREEMPTED_SECONDS = 30.0
SHIPPED_SECONDS = 15.0  # a trial that ran so long before its worker was lost has left something on the shared tree
GRADED_FILES = frozenset({"result.json", "config.json", "trial.log", "agent/oracle.txt", "verifier/reward.json"})
DRAFTS = (".draft", ".publishing")
_MOST_TOLD = 5  # breaches of one row that are told in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the verdict. It is a breach of the promise if it has `breaches`."""

    name: str
    value: str
    breaches: tuple[str, ...] = ()

    @property
    def told(self) -> list[str]:
        """The first breaches, and how many more there are."""
        more = len(self.breaches) - _MOST_TOLD
        return [*self.breaches[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All rows. The promise was kept if none has a breach."""

    rows: tuple[Row, ...]

    @property
    def kept(self) -> bool:
        return not any(row.breaches for row in self.rows)

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


def judge(facts: Facts) -> Verdict:
    """Compares all witnesses with each other."""
    told = by_trial(facts.entries)
    return Verdict(
        rows=(
            _ended_once(facts),
            _counted("lost", _lost(facts)),
            _counted("double", _double(facts, told)),
            _counted("witnesses disagree", _disagreements(facts, told)),
            _counted("taken back without a cause", _groundless(facts)),
            _counted("evidence missing", _missing_evidence(facts, told)),
            _counted("half files", _half_files(facts)),
            _counted("tallies wrong", _wrong_tallies(facts)),
            _counted("messages left", _messages_left(facts)),
            _counted("orphans", facts.orphans),
            _recovered(facts, TrialState.LOST, "longest recovery, lost", facts.lease_seconds + FOUND_SECONDS),
            _recovered(facts, TrialState.PREEMPTED, "longest recovery, preempted", PREEMPTED_SECONDS),
        )
    )


def _counted(name: str, breaches: Iterator[str] | Sequence[str]) -> Row:
    found = tuple(breaches)
    return Row(name=name, value=str(len(found)), breaches=found)


def _ended_once(facts: Facts) -> Row:
    ended = [run for run in facts.runs if _ended_well(run)]
    missing = facts.asked_runs - len(ended)
    breaches = (f"{missing} of {facts.asked_runs} runs did not",) if missing else ()
    return Row(name="ended once", value=f"{len(ended)} of {facts.asked_runs}", breaches=breaches)


def _ended_well(run: Run) -> bool:
    """Terminal, by exactly one trial, which ended as its run did; and nothing of it is open any more."""
    if run.state not in TERMINAL or any(trial.state is TrialState.RUNNING for trial in run.trials):
        return False
    counting = [trial for trial in run.trials if trial.counts]
    return len(counting) == 1 and counting[0].state.value == run.state.value


def _lost(facts: Facts) -> Iterator[str]:
    """The drill's task cannot fail by itself: a run without a reward is lost, whatever its state is called."""
    if len(facts.runs) != facts.asked_runs:
        yield f"{facts.asked_runs} runs were asked for, and the database has {len(facts.runs)}"
    for run in facts.runs:
        if run.state not in TERMINAL:
            yield f"run {run.number} is still {run.state}"
        elif run.state is not RunState.GRADED:
            yield f"run {run.number} ended {run.state} ({run.cause}), and has no reward"


def _double(facts: Facts, told: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    nonces: dict[int, list[int]] = defaultdict(list)
    for run in facts.runs:
        graded = [trial.name for trial in run.trials if trial.state is TrialState.GRADED]
        if len(graded) > 1:
            yield f"run {run.number} was graded by {' and '.join(graded)}"
        if run.nonce is not None:
            nonces[run.nonce].append(run.number)
    for numbers in nonces.values():
        if len(numbers) > 1:
            yield f"one trial's result is that of the runs {', '.join(map(str, numbers))}"
    for trial, entries in told.items():
        if any(number > 1 for number in Counter(entry.phase for entry in entries).values()):
            yield f"trial {trial} was carried out twice, says the ledger"
    yield from facts.rewritten


def _disagreements(facts: Facts, told: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    """Of a graded run the ledger, the database, the files and the API must all name the same trial and nonce."""
    for run in facts.runs:
        trial = next((trial for trial in run.trials if trial.counts), None)
        if run.state.value != run.shown_state:
            yield f"run {run.number} is {run.state} in the database and {run.shown_state} in the API"
        if run.state is not RunState.GRADED or trial is None:
            continue
        entries = told.get(trial.name, [])
        if {entry.phase for entry in entries} != set(Phase):
            yield f"run {run.number} was graded by {trial.name}, whose phases the ledger has not all"
        said = _said(run, trial, entries)
        if len(set(said.values())) > 1 or None in said.values():
            words = ", ".join(f"{witness}: {_shown(result)}" for witness, result in said.items())
            yield f"run {run.number}: {words}"


def _said(run: Run, trial: Trial, entries: Sequence[Entry]) -> dict[str, Result | None]:
    nonces = {entry.nonce for entry in entries}
    directory = next((directory for directory in run.directories if directory.trial == trial.name), None)
    return {
        "ledger": Result(trial=trial.name, nonce=nonces.pop()) if len(nonces) == 1 else None,
        "run's row": Result(trial=trial.name, nonce=run.nonce),
        "trial's row": trial.result,
        "file": directory.result if directory else None,
        "API's list": Result(trial=trial.name, nonce=run.shown_nonce),
        "API's result": run.shown_result,
    }


def _shown(result: Result | None) -> str:
    return "nothing" if result is None else f"{result.nonce} of {result.trial}"


def _groundless(facts: Facts) -> Iterator[str]:
    for run in facts.runs:
        for trial in run.trials:
            if trial.state is TrialState.LOST and loss_of(trial, facts.absences) is None:
                yield f"trial {trial.name} of run {run.number} is lost, and nothing was done to {trial.worker}"


def _missing_evidence(facts: Facts, told: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    for run in facts.runs:
        directories = {directory.trial: directory for directory in run.directories}
        for trial in run.trials:
            directory = directories.pop(trial.name, None)
            if trial.state is TrialState.GRADED:
                lacks = GRADED_FILES - (directory.files if directory else frozenset())
                if lacks:
                    yield f"graded trial {trial.name} lacks {', '.join(sorted(lacks))}"
            elif directory is None and _left_traces(trial, facts, told.get(trial.name, [])):
                yield f"{trial.state} trial {trial.name} worked, and has no directory"
        for stray in directories:
            yield f"the directory of {stray} is there, and no trial's row"


def _left_traces(trial: Trial, facts: Facts, entries: Sequence[Entry]) -> bool:
    """Whether it worked for long enough to have left something: a lost machine takes its last seconds with it."""
    begun = min((entry.at for entry in entries), default=None)
    if begun is None:
        return False
    lost_at = loss_of(trial, facts.absences)
    return trial.state is not TrialState.LOST or (lost_at is not None and lost_at - begun > SHIPPED_SECONDS)


def _half_files(facts: Facts) -> Iterator[str]:
    for run in facts.runs:
        graded = {trial.name for trial in run.trials if trial.state is TrialState.GRADED}
        for directory in run.directories:
            if directory.torn:
                yield f"result.json of trial {directory.trial} is visible, and no JSON"
            drafts = sorted(name for name in directory.files if name.endswith(DRAFTS))
            if directory.trial in graded and drafts:
                yield f"graded trial {directory.trial} has {', '.join(drafts)}"


def _wrong_tallies(facts: Facts) -> Iterator[str]:
    tally = facts.tally
    states = Counter(run.state.value for run in facts.runs)
    open_runs = sum(run.state not in TERMINAL for run in facts.runs)
    if (tally.runs, tally.open_runs) != (facts.asked_runs, open_runs):
        yield f"the job says {tally.open_runs} of {tally.runs} runs are open: {open_runs} of {facts.asked_runs} are"
    if tally.state != ("running" if open_runs else "done"):
        yield f"the job is {tally.state} with {open_runs} open runs"
    if dict(tally.shown) != dict(states):
        yield f"the API counts {dict(tally.shown)}: there are {dict(states)}"


def _messages_left(facts: Facts) -> Iterator[str]:
    for depth in facts.depths:
        if depth.messages:
            yield f"{depth.queue} {'buries' if depth.dead_letters else 'still has'} {depth.messages} messages"


def _recovered(facts: Facts, ending: TrialState, name: str, bound: float) -> Row:
    found = [recovery for recovery in recoveries(facts) if recovery.ending is ending]
    seconds = [recovery.seconds for recovery in found]
    longest, middle = percentile(seconds, 1.0), percentile(seconds, 0.5)
    if longest is None or middle is None:
        return Row(name=name, value="none to recover from")
    # While all is quiet after an outage, the fleet takes nothing back for one lease more.
    bound += facts.lease_seconds if any(end - begin > FOUND_SECONDS for begin, end in facts.blackouts) else 0.0
    late = tuple(f"{one.trial}: {one.seconds:.1f} s" for one in found if one.seconds > bound)
    value = f"{longest:.1f} s (p50 {middle:.1f} s, {len(found)} trials, at most {bound:.0f} s)"
    return Row(name=name, value=value, breaches=late)
