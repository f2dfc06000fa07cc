"""`history`: an office night by night. Sums of a whole office only; nothing of a single patient."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path

from oddaemon.cli.data import Form
from oddaemon.cli.exporting import Answer, Range, archive_of, between, deliver, office_in, require_order, sheet_of
from oddaemon.cli.sheet import Sheet
from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.core.rolling import STILL, Flow, roll_rates
from oddaemon.sinks.formats import Column, Envelope, Kind, Row
from oddaemon.store.archive import Archive, ArchivedOffice, before
from oddaemon.store.snapshot_row import SnapshotRow

COLUMNS = (
    Column("aging_date", Kind.DATE),
    Column("snapshot", Kind.INTEGER),
    Column("published_at", Kind.INSTANT),
    Column("guarantors", Kind.INTEGER),
    *(Column(name, Kind.MONEY) for name in MONEY_COLUMNS),
    Column("new", Kind.INTEGER),
    Column("changed", Kind.INTEGER),
    Column("cleared", Kind.INTEGER),
    Column("charged", Kind.MONEY),
    Column("settled", Kind.MONEY),
    Column("rolled_31_60", Kind.MONEY),
    Column("rolled_61_90", Kind.MONEY),
    Column("rolled_over_90", Kind.MONEY),
    Column("roll_rate_31_60", Kind.RATIO),
    Column("roll_rate_61_90", Kind.RATIO),
    Column("roll_rate_over_90", Kind.RATIO),
)
"""Movements are those since the snapshot before; empty for the first that is kept."""
NOT_FOR_PEOPLE = {"published_at", "est_balance", "rolled_31_60", "rolled_61_90", "rolled_over_90"}
"""A table has to fit a screen."""


def show_history(
    config: Path | None,
    office_id: str,
    wanted: Range,
    form: Form,
    output: Path | None,
) -> None:
    """Write a row for each snapshot in the range that is wanted, oldest first."""
    with archive_of(config) as (archive, settings):
        office, snapshots = office_in(archive, settings, office_id)
        first, last = between(snapshots, wanted, office_id)
        first = first or snapshots[0]
        if first is not last:
            require_order(first, last)
        rows = list(night_rows(archive, office, snapshots, first, last))
    deliver(Answer(COLUMNS, [rows], Envelope("nights", {"office": office_id}), _sheet), form, output)


def night_rows(
    archive: Archive, office: ArchivedOffice, snapshots: Sequence[SnapshotRow], first: SnapshotRow, last: SnapshotRow
) -> Iterator[Row]:
    """Rows of `COLUMNS` for the snapshots from `first` to `last`."""
    base = before(snapshots, first)
    shown = [base, *(each for each in snapshots if first.id <= each.id <= last.id)]
    flows = archive.flows(office, base or first, last)
    for earlier, night in pairwise(shown):
        assert night is not None, "only the first may be missing"
        yield _night(night) + (_moved(earlier, flows.get(night.id, STILL)) if earlier else (None,) * 8)


def _night(night: SnapshotRow) -> tuple[object, ...]:
    amounts = [getattr(night.totals, name) for name in MONEY_COLUMNS]
    counts = (night.new, night.changed, night.cleared)
    return (night.aging_date, night.id, night.published_at, night.totals.guarantors, *amounts, *counts)


def _moved(earlier: SnapshotRow, moved: Flow) -> tuple[object, ...]:
    rates = astuple(roll_rates(moved, earlier.totals))
    return (moved.charged, moved.settled, moved.rolled_31_60, moved.rolled_61_90, moved.rolled_over_90, *rates)


def _sheet(rows: Sequence[Row]) -> Sheet:
    shown = [index for index, column in enumerate(COLUMNS) if column.name not in NOT_FOR_PEOPLE]
    return sheet_of(tuple(COLUMNS[index] for index in shown), [[row[index] for index in shown] for row in rows])
