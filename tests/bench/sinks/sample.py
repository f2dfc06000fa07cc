"""Balances of the benches of sinks and of publishing."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.model import Balance, PublishedSnapshot, Reader, Snapshot
from oddaemon.core.snapshot.payload import Payload
from oddaemon.core.snapshot.verify import compute_totals

DAY = date(2026, 3, 2)


def make_balances(count: int) -> tuple[Balance, ...]:
    """Dense patient numbers and random amounts, the same for the same count."""
    rng = random.Random(count)
    return tuple(Balance(number, 0, *(rng.randrange(1_000_000) for _ in range(7))) for number in range(1, count + 1))


def make_snapshot(rows: Sequence[Balance]) -> Snapshot:
    """What was read from an office."""
    return Snapshot(DAY, datetime.now(UTC), Reader.STATEMENT, 1, compute_totals(rows), rows)


def make_payload(count: int) -> Payload:
    """A whole snapshot for a sink."""
    rows, now = make_balances(count), datetime.now(UTC)
    totals = compute_totals(rows)
    return Payload("One", PublishedSnapshot(1, "one", DAY, now, now, Reader.STATEMENT, 1, totals, count, 0, 0), rows)


def make_later_payload(payload: Payload, changed_share: float) -> Payload:
    """The snapshot of the night after, in which a share of the balances has changed."""
    rng, rows = random.Random(len(payload.balances)), list(payload.balances)
    for index in rng.sample(range(len(rows)), int(len(rows) * changed_share)):
        rows[index] = rows[index]._replace(bal_total=1_000_000 + rng.randrange(1_000_000))
    snapshot = payload.snapshot
    later = replace(
        snapshot,
        id=snapshot.id + 1,
        aging_date=snapshot.aging_date + timedelta(days=1),
        published_at=snapshot.published_at + timedelta(days=1),
        totals=compute_totals(rows),
    )
    return replace(payload, snapshot=later, balances=tuple(rows))
