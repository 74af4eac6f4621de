"""After the database was away every lease looks expired: nobody takes one before its worker could renew it."""

import pytest

from flotilla.states import RunState
from flotilla.store.leadership import GAP_SECONDS
from flotilla.store.leases import LATER_SECONDS, Claimed, Refusal, Refused
from tests.flotilla.fleet import LEASE_SECONDS, Fleet

OUTAGE_SECONDS = 150
LEFT_ALONE = Refused(refusal=Refusal.LEASED, seconds=LATER_SECONDS)


@pytest.fixture
def expired(fleet: Fleet) -> str:
    """A run whose lease has expired, and no pulse that has ticked."""
    (run_id,) = fleet.job()
    fleet.claimed(run_id, fleet.worker("first"), lease_seconds=-1)
    return run_id


def test_a_claim_takes_back_while_the_pulse_ticks(fleet: Fleet, expired: str) -> None:
    fleet.ticked()
    assert isinstance(fleet.claim(expired, fleet.worker("other")), Claimed)


def test_a_claim_takes_nothing_back_where_no_pulse_ever_ticked(fleet: Fleet, expired: str) -> None:
    assert fleet.claim(expired, fleet.worker("other")) == LEFT_ALONE


def test_a_claim_takes_nothing_back_when_the_last_good_tick_is_long_ago(fleet: Fleet, expired: str) -> None:
    fleet.ticked()
    fleet.away(GAP_SECONDS + 1)
    assert fleet.claim(expired, fleet.worker("other")) == LEFT_ALONE


def test_a_claim_takes_nothing_back_while_all_is_quiet(fleet: Fleet, expired: str) -> None:
    fleet.ticked()
    fleet.away(GAP_SECONDS + 1)
    fleet.ticked()
    assert fleet.claim(expired, fleet.worker("other")) == LEFT_ALONE


def test_whoever_claims_first_after_an_outage_leaves_the_lease_to_its_worker(fleet: Fleet) -> None:
    (run_id,) = fleet.job()
    mine, other = fleet.worker("mine"), fleet.worker("other")
    lease = fleet.claimed(run_id, mine).lease
    fleet.ticked()
    fleet.away(OUTAGE_SECONDS)
    assert fleet.claim(run_id, other) == LEFT_ALONE
    assert [one.lease for one in fleet.renew(mine)] == [lease]
    fleet.ticked()
    refused = fleet.claim(run_id, other)
    assert (refused.refusal, refused.seconds > LEASE_SECONDS - 10) == (Refusal.LEASED, True)
    assert fleet.row(run_id).state == RunState.RUNNING
