from collections.abc import Callable

import httpx
import pytest

from api.log_text import whole_characters
from flotilla.states import TrialState
from flotilla.store.endings import Ending
from flotilla.store.leases import Claimed
from flotilla.store.logs import Stream
from tests.api.conftest import MakeJob
from tests.api.fleet import Fleet

type RunsOf = Callable[[str], list[str]]
type Read = Callable[..., httpx.Response]


@pytest.fixture
def run_id(make_job: MakeJob, runs_of: RunsOf) -> str:
    return runs_of(make_job()["id"])[0]


@pytest.fixture
def trial(run_id: str, fleet: Fleet) -> Claimed:
    return fleet.start(run_id)


@pytest.fixture
def read(run_id: str, api: httpx.Client) -> Read:
    """Reads the run's log."""

    def read(**query: str | int) -> httpx.Response:
        answer = api.get(f"/v1/runs/{run_id}/logs", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        return answer

    return read


def position(answer: httpx.Response) -> tuple[int, bool]:
    return int(answer.headers["X-Next-Offset"]), answer.headers["X-Complete"] == "true"


def test_a_run_without_a_trial_has_an_empty_log_that_may_still_come(read: Read) -> None:
    answer = read()
    assert (answer.content, position(answer)) == (b"", (0, False))


def test_a_run_cancelled_before_its_first_trial_has_a_complete_empty_log(
    make_job: MakeJob, api: httpx.Client, runs_of: RunsOf
) -> None:
    job_id = make_job()["id"]
    api.post(f"/v1/jobs/{job_id}/cancel")
    assert position(api.get(f"/v1/runs/{runs_of(job_id)[0]}/logs")) == (0, True)


def test_a_log_is_read_on_from_where_the_last_part_ended(read: Read, trial: Claimed, fleet: Fleet) -> None:
    fleet.ship(trial, b"one\ntwo\n")
    first = read(limit=5)
    assert (first.content, position(first), first.headers["X-Trial"]) == (b"one\nt", (5, False), trial.trial_name)
    assert read(offset=5).content == b"wo\n"
    assert position(read(offset=8)) == (8, False)
    fleet.ship(trial, b"three\n")
    fleet.grade(trial)
    assert position(read(offset=8, limit=3)) == (11, False)
    last = read(offset=11)
    assert (last.content, position(last)) == (b"ee\n", (14, True))


def test_each_stream_is_a_log_of_its_own(read: Read, trial: Claimed, fleet: Fleet) -> None:
    for stream in Stream:
        fleet.ship(trial, f"of {stream}".encode(), stream=stream)
    assert [read(stream=stream).text for stream in Stream] == ["of trial", "of agent", "of verifier"]
    assert read().text == "of trial"


def test_only_what_the_database_says_was_shipped_is_the_log(read: Read, trial: Claimed, fleet: Fleet) -> None:
    fleet.ship(trial, b"sent")
    with fleet.log_file(trial).open("ab") as file:
        file.write(b" but not yet recorded")
    assert read().content == b"sent"


def test_a_file_that_cannot_be_seen_yet_is_not_complete(read: Read, trial: Claimed, fleet: Fleet) -> None:
    fleet.record(trial, size=10)
    fleet.grade(trial)
    assert (read().content, position(read())) == (b"", (0, False))


def test_a_character_is_never_cut_unless_it_is_all_there_is_room_for(read: Read, trial: Claimed, fleet: Fleet) -> None:
    fleet.ship(trial, "aé😀".encode())
    assert (read(limit=2).text, position(read(limit=2))) == ("a", (1, False))
    assert read(offset=1, limit=5).text == "é"
    assert position(read(offset=3, limit=1)) == (4, False)


def test_an_earlier_trials_log_can_be_read_by_its_name(read: Read, trial: Claimed, run_id: str, fleet: Fleet) -> None:
    fleet.ship(trial, b"first")
    fleet.preempt(trial)
    assert read().content == b"first"
    fleet.ship(fleet.start(run_id), b"second")
    assert read().content == b"second"
    earlier = read(trial=trial.trial_name)
    assert (earlier.content, position(earlier)) == (b"first", (5, True))


def test_a_run_cancelled_between_two_trials_still_shows_the_last_ones_log(
    read: Read, trial: Claimed, fleet: Fleet, api: httpx.Client
) -> None:
    fleet.ship(trial, b"first")
    fleet.end(trial, Ending(state=TrialState.PREEMPTED))
    api.post(f"/v1/jobs/{trial.job_id}/cancel")
    assert (read().content, position(read())) == (b"first", (5, True))


def test_a_trial_that_is_not_of_this_run_is_not_found(run_id: str, api: httpx.Client) -> None:
    answer = api.get(f"/v1/runs/{run_id}/logs", params={"trial": "task__000000000000"})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["pointer"] == "/trial"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("stream=stdout", "/stream"),
        ("offset=-1", "/offset"),
        ("limit=0", "/limit"),
        ("limit=99999999", "/limit"),
        ("follow=maybe", "/follow"),
        ("last_event_id=x", "/last_event_id"),
        ("tail=10", "/tail"),
    ],
)
def test_a_log_query_that_means_nothing_is_refused(run_id: str, api: httpx.Client, query: str, pointer: str) -> None:
    answer = api.get(f"/v1/runs/{run_id}/logs?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", 0),
        (b"ab", 2),
        ("é".encode(), 2),
        ("é".encode()[:1], 0),
        ("a€".encode(), 4),
        ("a€".encode()[:3], 1),
        ("a😀".encode(), 5),
        ("a😀".encode()[:4], 1),
        (b"\xff", 0),
        (b"a\x80\x80\x80\x80", 5),
    ],
)
def test_characters_that_are_cut_off_are_told_from_whole_ones(data: bytes, whole: int) -> None:
    assert whole_characters(data) == whole
