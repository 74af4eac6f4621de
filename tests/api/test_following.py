import json
from collections.abc import Callable
from dataclasses import replace
from threading import Thread

import anyio
import httpx
import pytest
from anyio import CapacityLimiter

from api.app import ApiContext, Streaming
from api.following import Tail, follow
from api.log_text import LONGEST_LINE
from flotilla.causes import Cause
from flotilla.states import RunState, TrialState
from flotilla.store.endings import Ending
from flotilla.store.leases import Claimed
from flotilla.store.reading_logs import RunLog, TrialLog
from tests.api import events
from tests.api.conftest import MakeJob
from tests.api.fleet import Fleet
from tests.api.serving import client, serving
from tests.api.waiting import until

type RunsOf = Callable[[str], list[str]]


@pytest.fixture
def run_id(make_job: MakeJob, runs_of: RunsOf) -> str:
    return runs_of(make_job()["id"])[0]


@pytest.fixture
def trial(run_id: str, fleet: Fleet) -> Claimed:
    return fleet.start(run_id)


def test_a_finished_log_comes_line_by_line_and_ends_with_the_verdict(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    fleet.ship(trial, b"one\n\n  two \r\nlast")
    fleet.grade(trial, 0.5)
    name = trial.trial_name
    told = events.follow(api, run_id)
    assert [(event.kind, event.id) for event in told] == [
        ("trial", f"{name}:0"),
        ("message", f"{name}:4"),
        ("message", f"{name}:5"),
        ("message", f"{name}:13"),
        ("message", f"{name}:17"),
        ("end", f"{name}:17"),
    ]
    assert events.texts(told) == ["one", "", "  two ", "last"]
    assert json.loads(told[0].data) == {"trial": name}
    assert json.loads(told[-1].data) == {"state": "graded", "reward": 0.5, "cause": None}


def test_a_stream_is_not_kept_by_anything_in_between(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    fleet.grade(trial)
    answer = api.get(f"/v1/runs/{run_id}/logs?follow=true")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"


def test_lines_arrive_while_the_trial_runs_and_an_open_line_is_held_back(
    api: httpx.Client, run_id: str, fleet: Fleet
) -> None:
    received = bytearray()

    def listen() -> None:
        with api.stream("GET", f"/v1/runs/{run_id}/logs?follow=true") as answer:
            for data in answer.iter_raw():
                received.extend(data)

    listener = Thread(target=listen)
    listener.start()
    trial = fleet.start(run_id)
    until(lambda: b"event: trial" in received, "the trial is announced")
    fleet.ship(trial, b"whole\nhal" + "é".encode()[:1])
    until(lambda: b"data: whole" in received, "the whole line comes")
    assert b"hal" not in received
    fleet.ship(trial, "é".encode()[1:] + b"\n")
    until(lambda: "data: halé".encode() in received, "the rest of the line comes")
    fleet.end(trial, Ending(state=TrialState.ERRORED, cause=Cause.AGENT))
    listener.join(20)
    assert not listener.is_alive()
    assert json.loads(events.parse(received.decode())[-1].data)["cause"] == "agent"


def test_a_stream_resumes_exactly_after_every_event(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    fleet.ship(trial, "é\n\r\nlong\rbar\n".encode() + b"x" * (LONGEST_LINE + 10) + b"\ntail")
    fleet.preempt(trial)
    second = fleet.start(run_id)
    fleet.ship(second, b"again\n")
    fleet.grade(second)
    everything = events.follow(api, run_id, trial=trial.trial_name)
    assert [event.kind for event in everything].count("message") == 7
    for place, event in enumerate(everything):
        rest = everything[place + 1 :] or [event]  # who asks after the end hears the end again
        assert events.follow(api, run_id, after=event.id) == rest


def test_the_header_of_a_reconnection_wins_over_the_address(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    fleet.ship(trial, b"a\nb\n")
    fleet.grade(trial)
    name = trial.trial_name
    assert events.texts(events.follow(api, run_id, last_event_id=f"{name}:0")) == ["a", "b"]
    assert events.texts(events.follow(api, run_id, after=f"{name}:2", last_event_id=f"{name}:0")) == ["b"]


def test_a_stream_goes_on_with_the_trial_that_follows_a_preempted_one(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    fleet.ship(trial, b"before\ncut of")
    fleet.preempt(trial)
    second = fleet.start(run_id)
    fleet.ship(second, b"after\n")
    fleet.grade(second)
    told = events.follow(api, run_id, after=f"{trial.trial_name}:0")
    assert [(event.kind, event.data) for event in told[:-1]] == [
        ("message", "before"),
        ("message", "cut of"),
        ("trial", json.dumps({"trial": second.trial_name})),
        ("message", "after"),
    ]
    assert [event.id for event in told[2:4]] == [f"{second.trial_name}:0", f"{second.trial_name}:6"]


def test_a_run_that_never_had_a_trial_ends_its_stream_at_once(
    api: httpx.Client, make_job: MakeJob, runs_of: RunsOf
) -> None:
    job_id = make_job()["id"]
    run_id = runs_of(job_id)[0]
    api.post(f"/v1/jobs/{job_id}/cancel")
    (end,) = events.follow(api, run_id)
    assert (end.kind, end.id) == ("end", None)
    assert json.loads(end.data) == {"state": "cancelled", "reward": None, "cause": "cancelled"}


def test_a_line_of_any_content_comes_as_the_text_it_is(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    fleet.ship(trial, b"10%\r20%\r\n" + "a\u2028b\x0bc\x85".encode() + b"\n\xff\x00\n: no comment\nevent: end\n")
    fleet.grade(trial)
    assert events.texts(events.follow(api, run_id)) == [
        "10%\n20%",
        "a\u2028b\x0bc\x85",
        "\ufffd\x00",
        ": no comment",
        "event: end",
    ]


def test_a_very_long_line_comes_in_pieces_that_cut_no_character(
    api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    line = "a" + "😀" * (LONGEST_LINE // 2)
    fleet.ship(trial, line.encode())
    fleet.grade(trial)
    pieces = events.texts(events.follow(api, run_id))
    assert "".join(pieces) == line
    assert max(len(piece.encode()) for piece in pieces) <= LONGEST_LINE


def test_a_long_log_comes_whole(api: httpx.Client, run_id: str, trial: Claimed, fleet: Fleet) -> None:
    lines = [f"{number} " + "x" * (number % 300) for number in range(6_000)]
    fleet.ship(trial, "\n".join(lines).encode() + b"\n")
    fleet.grade(trial)
    assert events.texts(events.follow(api, run_id)) == lines


@pytest.mark.parametrize("event_id", ["x", ":5", "task__1:", "a:b", "\xe9:1"])
def test_an_event_id_that_is_none_is_refused(api: httpx.Client, run_id: str, event_id: str) -> None:
    headers = {b"Last-Event-ID": event_id.encode("latin-1")}
    answer = api.get(f"/v1/runs/{run_id}/logs?follow=true", headers=headers)
    assert answer.status_code in (404, 422)
    assert answer.json()["errors"][0]["pointer"] == "/last-event-id"


def test_an_event_id_of_another_run_is_not_found(api: httpx.Client, run_id: str, trial: Claimed) -> None:
    answer = api.get(f"/v1/runs/{run_id}/logs?follow=true", headers={"Last-Event-ID": f"{trial.trial_name}x:0"})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["pointer"] == "/last-event-id"


def test_a_quiet_stream_gives_signs_of_life(
    context: ApiContext, key: str, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    lively = replace(context, streaming=Streaming(poll_seconds=0.01, keep_alive_seconds=0.05))
    with serving(lively) as url, client(url, key=key) as api:
        received = bytearray()
        with api.stream("GET", f"/v1/runs/{run_id}/logs?follow=true") as answer:
            for data in answer.iter_raw():
                received.extend(data)
                if received.count(b": keep-alive\n\n") == 3:
                    fleet.grade(trial)
    assert received.startswith(b"retry: 1000\n\n")
    assert events.parse(received.decode())[-1].kind == "end"


def test_a_bounded_answer_ends_with_its_first_bytes_and_the_next_goes_on(
    context: ApiContext, key: str, run_id: str, trial: Claimed, fleet: Fleet
) -> None:
    streaming = Streaming(poll_seconds=0.01, retry_milliseconds=500, most_bytes=100_000, silence_seconds=0.2)
    lines = [f"{number:06d}" + "x" * 94 for number in range(10_000)]
    with serving(replace(context, streaming=streaming)) as url, client(url, key=key) as api:
        fleet.ship(trial, "\n".join(lines).encode() + b"\n")
        answers = [events.follow(api, run_id)]
        while len(texts := [text for told in answers for text in events.texts(told)]) < len(lines):
            answers.append(events.follow(api, run_id, after=answers[-1][-1].id))
        assert texts == lines
        assert 2 <= len(answers) < 30
        assert api.get(f"/v1/runs/{run_id}/logs?follow=true").text.startswith("retry: 500\n\n")
        silent = events.follow(api, run_id, after=answers[-1][-1].id)
        assert silent == []
        fleet.grade(trial)
        assert [event.kind for event in events.follow(api, run_id, after=answers[-1][-1].id)] == ["end"]


def test_a_client_that_goes_away_is_noticed(run_id: str) -> None:
    waiting = RunLog(job_id="job", number=1, state=RunState.PENDING, reward=None, cause=None, trials=(), current=None)
    tail = Tail(lambda: waiting, file_of=lambda *_: None, position=None, patience_seconds=1)
    asked = 0

    async def gone() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    async def listen() -> list[bytes]:
        streaming = Streaming(poll_seconds=0.01)
        return [data async for data in follow(tail, streaming=streaming, threads=CapacityLimiter(1), gone=gone)]

    assert anyio.run(listen) == [b"retry: 1000\n\n"]


def test_the_lost_rest_of_an_ended_trials_log_is_waited_for_and_then_given_up() -> None:
    log = TrialLog(trial="t", ended=True, path="trial.log", size=10)
    run = RunLog(job_id="job", number=1, state=RunState.GRADED, reward=1.0, cause=None, trials=(log,), current=log)
    now = 0.0
    tail = Tail(lambda: run, file_of=lambda *_: None, position=None, patience_seconds=60, clock=lambda: now)
    assert b"event: trial" in tail.advance().events
    assert not tail.advance().over
    now = 59.0
    assert not tail.advance().over
    now = 61.0
    assert tail.advance().over
