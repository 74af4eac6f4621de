"""The instances of the group as the pulse has seen them: since when, and whether a worker was heard of."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from flotilla.booting import Boot
from flotilla.states import BootOutcome

_SEE = text("INSERT INTO boots (instance) SELECT unnest(CAST(:instances AS text[])) ON CONFLICT DO NOTHING")

_OPEN = text("""
    SELECT instance, instance = ANY(:instances) AS present, outcome,
        extract(epoch FROM now() - boots.seen_at)::float AS age_seconds,
        last_heard IS NOT NULL AS reported,
        CASE WHEN NOT lives THEN extract(epoch FROM now() - last_heard)::float END AS silent_seconds
    FROM boots CROSS JOIN LATERAL (
        SELECT max(workers.seen_at) AS last_heard, bool_or(stopped_at IS NULL) AS lives
        FROM workers WHERE name = instance
    ) AS worker
    WHERE outcome IS NULL OR instance = ANY(:instances)
    ORDER BY instance
""")

_DECIDE = text("""
    UPDATE boots SET outcome = CAST(:outcome AS boot_outcome), decided_at = now()
    WHERE instance = ANY(:instances) AND outcome IS NULL
""")

_LATEST = text("""
    SELECT outcome FROM boots WHERE outcome IS NOT NULL AND answered_at IS NULL
    ORDER BY decided_at DESC, outcome, instance LIMIT :most
""")

_ANSWER = text("UPDATE boots SET answered_at = now() WHERE outcome = 'failed' AND answered_at IS NULL")


def see_instances(connection: Connection, instances: Sequence[str]) -> list[Boot]:
    """Notes those that are new; returns every instance that is in the group or whose boot is not decided yet."""
    connection.execute(_SEE, {"instances": list(instances)})
    rows = connection.execute(_OPEN, {"instances": list(instances)})
    return [Boot(**{**row._asdict(), "outcome": row.outcome and BootOutcome(row.outcome)}) for row in rows]


def decide_boots(connection: Connection, instances: Sequence[str], outcome: BootOutcome) -> None:
    """Records what came of these boots; one that was decided before stays so."""
    connection.execute(_DECIDE, {"instances": list(instances), "outcome": outcome})


def latest_outcomes(connection: Connection, *, most: int) -> list[BootOutcome]:
    """Of the boots that were not answered yet, newest first; of one moment, the good ones first."""
    return [BootOutcome(outcome) for outcome in connection.execute(_LATEST, {"most": most}).scalars()]


def answer_failed_boots(connection: Connection) -> None:
    """Records that launching was stopped for them: once people let it go on, they are not held against it again."""
    connection.execute(_ANSWER)
