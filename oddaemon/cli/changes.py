"""`changes`: what became of each guarantor between two days. What is written here is patient data."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from oddaemon.cli.data import Form
from oddaemon.cli.exporting import NOTHING, Answer, deliver
from oddaemon.cli.failing import failure
from oddaemon.cli.pictures import Range, archive_of, between, office_in, picture_document, require_order
from oddaemon.cli.sheet import Column, Sheet
from oddaemon.core.diff import Difference
from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.core.status import money
from oddaemon.core.untold import Untold, as_shown
from oddaemon.sinks.formats import CHANGE_COLUMNS, Envelope, Row, change_row
from oddaemon.store.picture import before
from oddaemon.store.snapshot_row import SnapshotRow


def show_changes(
    config: Path | None,
    office_id: str,
    wanted: Range,
    form: Form | None,
    output: Path | None,
) -> None:
    """Write the changes between the two days that are wanted; what is missing ends the command with a message."""
    with archive_of(config) as (archive, settings):
        office, pictures = office_in(archive, settings, office_id)
        first, last = between(pictures, wanted, office_id)
        first = first or before(pictures, last)
        if first is None:
            which = (
                f"snapshot {last.id} of {last.aging_date}" if isinstance(last, SnapshotRow) else str(last.aging_date)
            )
            raise failure(
                f"{which} is the first that is kept of {office_id}: there is nothing to compare it with. "
                f"See `oddaemon history {office_id}`."
            )
        require_order(pictures, first, last)
        head = {"office": office_id, "from": picture_document(first), "to": picture_document(last)}
        untold = archive.untold(office, first), archive.untold(office, last)
        batches = ([_row(each, *untold) for each in found] for found in archive.changes(office, first, last))
        sheet = partial(_sheet, untold=untold[0] | untold[1])
        deliver(Answer(CHANGE_COLUMNS, batches, Envelope("changes", head), sheet), form, output)


def _row(difference: Difference, untold_before: Untold, untold_after: Untold) -> Row:
    before = None if difference.before is None else as_shown(difference.before, untold_before)
    after = None if difference.after is None else as_shown(difference.after, untold_after)
    return change_row(difference.change, before, after, difference.last_seen)


def _sheet(rows: Sequence[Row], untold: Untold) -> Sheet:
    """For people: one column for an amount, "old → new" where it changed; nothing in those that are not compared."""
    names = [column.name for column in CHANGE_COLUMNS]
    cells = []
    for row in rows:
        value = dict(zip(names, row, strict=True))
        moved = [NOTHING if name in untold else _moved(value[f"was_{name}"], value[name]) for name in MONEY_COLUMNS]
        seen = value["last_seen"]
        cells.append([value["change"], str(value["pat_num"]), *moved, NOTHING if seen is None else seen.isoformat()])
    amounts = [Column(name, right=True) for name in MONEY_COLUMNS]
    return Sheet([Column("change"), Column("pat_num", right=True), *amounts, Column("last_seen")], cells)


def _moved(old: int | None, new: int | None) -> str:
    if old == new or old is None:
        return NOTHING if new is None else money(new)
    return f"{money(old)} → {NOTHING if new is None else money(new)}"
