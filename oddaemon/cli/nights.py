"""`history`: an office night by night. Sums of a whole office only; nothing of a single patient."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from oddaemon.cli.data import Form
from oddaemon.cli.exporting import Answer, deliver, sheet_of
from oddaemon.cli.pictures import Range, archive_of, office_in, require_order
from oddaemon.cli.sheet import Sheet
from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.sinks.formats import Column, Envelope, Kind, Row
from oddaemon.store.archive import Archive, ArchivedOffice, Moved
from oddaemon.store.picture import Picture, chosen, source_of, sums_of
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
    Column("source", Kind.TEXT),
)
"""Movements are those since the row above; empty for the first that is kept."""
NOT_FOR_PEOPLE = {"published_at", "est_balance", "rolled_31_60", "rolled_61_90", "rolled_over_90"}
"""A table has to fit a screen."""


def show_history(
    config: Path | None,
    office_id: str,
    wanted: Range,
    form: Form | None,
    output: Path | None,
) -> None:
    """Write a row for each day in the range that is wanted, in order."""
    with archive_of(config) as (archive, settings):
        office, pictures = office_in(archive, settings, office_id)
        begin, end = (None if each is None else chosen(pictures, each, office_id) for each in wanted)
        first, last = begin or pictures[0], end or pictures[-1]
        if first is not last:
            require_order(pictures, first, last)
        rows = night_rows(archive, office, pictures, first, last)
    deliver(Answer(COLUMNS, [rows], Envelope("nights", {"office": office_id}), _sheet), form, output)


def night_rows(
    archive: Archive, office: ArchivedOffice, pictures: Sequence[Picture], first: Picture, last: Picture
) -> list[Row]:
    """Rows of `COLUMNS` for the pictures from `first` to `last`."""
    begin, end = pictures.index(first), pictures.index(last)
    base = max(0, begin - 1)
    shown = pictures[base : end + 1]
    told = list(zip(shown, archive.movements(office, shown), strict=True))
    return [_row(picture, moved) for picture, moved in told[begin - base :]]


def _row(picture: Picture, moved: Moved | None) -> Row:
    number, counts = None, tuple[int | None, ...]((None,) * 3)
    if isinstance(picture, SnapshotRow):
        number, counts = picture.id, (picture.new, picture.changed, picture.cleared)
    rest = tuple[object, ...]((None,) * 8)
    if moved is not None:
        counts, flow = (moved.new, moved.changed, moved.cleared), moved.flow
        rolled = (flow.rolled_31_60, flow.rolled_61_90, flow.rolled_over_90)
        rest = (flow.charged, flow.settled, *rolled, *astuple(moved.rates))
    head = (picture.aging_date, number, picture.published_at, picture.totals.guarantors)
    return (*head, *sums_of(picture).values(), *counts, *rest, source_of(picture).value)


def _sheet(rows: Sequence[Row]) -> Sheet:
    shown = [index for index, column in enumerate(COLUMNS) if column.name not in NOT_FOR_PEOPLE]
    return sheet_of(tuple(COLUMNS[index] for index in shown), [[row[index] for index in shown] for row in rows])
