"""What the pulse makes of instances: which boots are decided, which are replaced, and when nothing more is launched."""

from dataclasses import replace

import pytest

from flotilla.booting import Boot, Verdicts, judge, launches_fail
from flotilla.states import BootOutcome

BOOT_SECONDS = 600
YOUNG = Boot(instance="i-1", present=True, age_seconds=60, reported=False)
OLD = replace(YOUNG, age_seconds=601)
GOOD, BAD = BootOutcome.REPORTED, BootOutcome.FAILED
MINE = ("i-1",)


@pytest.mark.parametrize(
    ("case", "boot", "reported", "failed", "replaced"),
    [
        ("it still boots", YOUNG, (), (), ()),
        ("its worker reports", replace(YOUNG, reported=True), MINE, (), ()),
        ("its time is over", OLD, (), MINE, MINE),
        ("it reported late, but it did", replace(OLD, reported=True), MINE, (), ()),
        ("it switched itself off while booting", replace(YOUNG, present=False), (), MINE, ()),
        ("it was decided before, and could not be replaced then", replace(OLD, outcome=BAD), (), (), MINE),
        ("it is gone after good work", replace(OLD, present=False, reported=True, outcome=GOOD), (), (), ()),
        ("its worker has been silent for long", replace(OLD, reported=True, silent_seconds=601), MINE, (), MINE),
        ("its worker fell silent just now", replace(OLD, reported=True, silent_seconds=95), MINE, (), ()),
        ("its worker lives", replace(OLD, reported=True, outcome=GOOD), (), (), ()),
    ],
)
def test_an_instance_is_judged_by_whether_its_worker_reports(
    case: str, boot: Boot, reported: tuple[str, ...], failed: tuple[str, ...], replaced: tuple[str, ...]
) -> None:
    assert judge([boot], boot_seconds=BOOT_SECONDS) == Verdicts(reported=reported, failed=failed, replace=replaced)


@pytest.mark.parametrize(
    ("case", "latest", "fail"),
    [
        ("nothing was launched", [], False),
        ("two failed, which is not enough", [BAD, BAD], False),
        ("three in a row", [BAD, BAD, BAD], True),
        ("a good one among them", [BAD, GOOD, BAD, BAD], False),
        ("three since the last good one", [BAD, BAD, BAD, GOOD], True),
    ],
)
def test_three_failed_boots_in_a_row_are_a_launch_loop(case: str, latest: list[BootOutcome], fail: bool) -> None:
    assert launches_fail(latest) is fail
