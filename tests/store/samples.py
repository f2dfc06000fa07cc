"""Values that the store's tests keep in it."""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime

from oddaemon.core.model import (
    Balance,
    Checkpoint,
    Condition,
    ControlQueryResult,
    ControlTotals,
    OfficeSpec,
    Owner,
    PublishedSnapshot,
    Reader,
    Snapshot,
    Status,
)
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.store import snapshots
from oddaemon.store.database import Database

NOW = datetime(2026, 3, 2, 8, 30, 0, 250_000, tzinfo=UTC)
OFFICES = (OfficeSpec("elm-street", "Elm Street Dental"), OfficeSpec("harbor", "Harbor Smiles"))
ELM, HARBOR = (office.id for office in OFFICES)


def make_state(attempts: int = 0) -> OfficeState:
    status = Status(Condition.BLOCKED, NOW, "The key is disabled.", Owner.OFFICE, "Ask the office to enable it.")
    return OfficeState(Intent.PROBE, status, NOW, attempts=attempts)


def make_balances(guarantors: int, seed: int = 1) -> tuple[Balance, ...]:
    draw = random.Random(seed)
    return tuple(
        Balance(100 + 3 * index, draw.randrange(4), *(draw.randrange(-9_999, 999_999) for _ in range(7)))
        for index in range(guarantors)
    )


def make_snapshot(balances: Iterable[Balance], day: int = 1) -> Snapshot:
    rows = tuple(sorted(balances))
    sums = [sum(column) for column in list(zip(*rows, strict=True))[2:]] or [0] * 7
    totals = ControlTotals._make([len(rows), *sums, len(rows) * 7])
    return Snapshot(date(2026, 3, day), NOW, Reader.STATEMENT, 3, totals, rows)


async def get_latest_snapshot(database: Database, office_id: str) -> PublishedSnapshot | None:
    rows = await snapshots.list_latest(database, office_id, limit=1)
    return rows[0] if rows else None


def make_checkpoint(last_pat_num: int, requests: int = 2) -> Checkpoint:
    local = NOW.replace(tzinfo=None)
    control = ControlQueryResult(
        totals=make_snapshot(make_balances(5)).totals,
        date_last_aging="2026-03-02",
        aging_begin="",
        office_now=local,
        utc_now=local,
    )
    return Checkpoint(NOW, control, last_pat_num, requests)
