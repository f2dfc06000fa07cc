"""Payloads for sinks that are tried alone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.model import Balance, PublishedSnapshot, Reader
from oddaemon.core.snapshot.diff import SnapshotChanges, SnapshotDelta, diff
from oddaemon.core.snapshot.payload import Payload
from oddaemon.core.snapshot.verify import compute_totals
from tests.store.samples import make_balances

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
OFFICE = "smile"


def make_night_balances(number: int, guarantors: int = 30) -> tuple[Balance, ...]:
    """The balances of an office after its night of this number: some new, some changed, some gone."""
    rows = make_balances(guarantors, seed=1)
    changed = {row.pat_num: row._replace(bal_total=row.bal_total + number) for row in rows[number::7]}
    gone = {row.pat_num for row in rows[number % 5 :: 11]}
    fresh = [Balance(100_000 + number, 0, 1, 2, 3, 4, 5, 6, number)]
    return (*(changed.get(row.pat_num, row) for row in rows if row.pat_num not in gone), *fresh)


def make_payload(number: int = 1, *, changes: bool = False, guarantors: int = 30, office_id: str = OFFICE) -> Payload:
    """The delivery of a night, whole or as changes from the night before."""
    balances = make_night_balances(number, guarantors)
    head = PublishedSnapshot(
        number,
        office_id,
        date(2026, 3, number),
        NOW,
        NOW,
        Reader.STATEMENT,
        1,
        compute_totals(balances),
        new=0,
        changed=0,
        cleared=0,
    )
    if not changes:
        return Payload("Smile Dental", head, balances)
    changes_since = diff_nights(number - 1, number, guarantors)
    delta = SnapshotDelta(number - 1, date(2026, 3, 1) + timedelta(days=number - 2), changes_since)
    return Payload("Smile Dental", head, delta=delta)


def convert_to_report(payload: Payload) -> Payload:
    """The same as the vendor's report has it, and as it is stored then."""
    balances = tuple(each._replace(clinic_num=0, est_balance=0) for each in payload.balances)
    missing_columns = frozenset({"clinic_num", "est_balance"})
    return replace(
        payload,
        balances=balances,
        snapshot=replace(payload.snapshot, totals=compute_totals(balances)),
        missing_columns=missing_columns,
    )


def diff_nights(earlier: int, later: int, guarantors: int = 30) -> SnapshotChanges:
    """What differs between two nights."""
    before, after = (
        {row.pat_num: row for row in make_night_balances(number, guarantors)} for number in (earlier, later)
    )
    return diff(before, after)
