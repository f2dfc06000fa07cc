"""How rows leave by the command line: as a table for people, or as a file that programs read."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.data import Form
from oddaemon.cli.failing import failure
from oddaemon.cli.fleet import known_office, read_with
from oddaemon.cli.sheet import Column, Sheet, plain
from oddaemon.core.status import instant, money
from oddaemon.settings import Settings
from oddaemon.sinks.formats import (
    Columns,
    Envelope,
    FileFormat,
    Kind,
    Layout,
    ParquetMissing,
    Row,
    becoming,
    export,
    write_rows,
)
from oddaemon.store.archive import Archive, ArchivedOffice, chosen
from oddaemon.store.errors import StoreError
from oddaemon.store.location import database_path
from oddaemon.store.snapshot_row import SnapshotRow

NOTHING = "-"
"""In a table, where there is no value."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and what is told around them."""

    columns: Columns
    batches: Iterable[Sequence[Row]]
    envelope: Envelope
    """Of the JSON document; its head stands in the manifest, too."""
    sheet: Callable[[Sequence[Row]], Sheet]
    """The rows as a table for people."""
    proof: Mapping[str, object] = field(default_factory=dict)
    """What the manifest tells besides, ready for JSON."""


def deliver(answer: Answer, form: Form, output: Path | None) -> None:
    """Write to standard output, or to a file that is there only once it is whole.

    What stands in the way ends the command with a message, and the file as it was.
    """
    try:
        if form is Form.TABLE:
            _deliver_table(answer, output)
        else:
            _deliver_file(answer, Layout(FileFormat(form), answer.columns, answer.envelope), output)
    except ParquetMissing as error:
        raise failure(str(error)) from error
    except OSError as error:
        if output is None:
            raise
        raise failure(f"{output} cannot be written: {error.strerror}; nothing is changed there.") from error


def _deliver_table(answer: Answer, output: Path | None) -> None:
    sheet = answer.sheet([row for rows in answer.batches for row in rows])
    if output is None:
        for line in plain(sheet):
            typer.echo(line)
        return
    with becoming(output.resolve()) as file:
        file.writelines(f"{line}\n".encode() for line in plain(sheet))


def _deliver_file(answer: Answer, layout: Layout, output: Path | None) -> None:
    if output is not None:
        export(output, layout, answer.batches, {**answer.envelope.head, **answer.proof})
        return
    if layout.form is FileFormat.PARQUET and sys.stdout.isatty():
        raise failure("Parquet is no text; name a file with --output FILE.")
    write_rows(sys.stdout.buffer, layout, answer.batches)
    sys.stdout.buffer.flush()


def sheet_of(columns: Columns, rows: Sequence[Row], footer: Sequence[str] | None = None) -> Sheet:
    """Rows as a table, as they are."""
    cells = [[_cell(column.kind, value) for column, value in zip(columns, row, strict=True)] for row in rows]
    return Sheet([Column(column.name, right=column.kind in _RIGHT) for column in columns], cells, footer)


_RIGHT = {Kind.INTEGER, Kind.MONEY, Kind.RATIO}


def _cell(kind: Kind, value: object) -> str:
    match value:
        case None:
            return NOTHING
        case int() if kind is Kind.MONEY:
            return money(value)
        case float():
            return f"{value:.2%}"
        case date() if kind is Kind.INSTANT:
            return instant(value)  # type: ignore[arg-type]  # a datetime is a date, too
        case _:
            return str(value)


@contextmanager
def archive_of(config: Path | None) -> Iterator[tuple[Archive, Settings]]:
    """The database of a configuration, for reading; what is wrong with either ends the command with a message."""
    settings = settings_of(config)
    try:
        with Archive.open(database_path(settings.state.database)) as archive:
            yield archive, settings
    except StoreError as error:
        raise failure(str(error)) from error


def office_in(archive: Archive, settings: Settings, office_id: str) -> tuple[ArchivedOffice, list[SnapshotRow]]:
    """An office and its snapshots, oldest first, at least one; else the command ends with what to do.

    One that is no longer configured can be read as long as its data is kept.
    """
    for office in archive.offices():
        if office.id == office_id and (snapshots := archive.snapshots(office)):
            return office, snapshots
    known = read_with(settings, lambda db: known_office(db, settings, office_id))
    reason = "" if known.state is None else f" {known.state.standing.reason}"
    raise failure(f"{office_id} has no published snapshot yet.{reason} See `oddaemon explain {office_id}`.")


Range = tuple[date | int | None, date | int | None]
"""What `--from` and `--to` say."""


def between(snapshots: Sequence[SnapshotRow], wanted: Range, office_id: str) -> tuple[SnapshotRow | None, SnapshotRow]:
    """The two snapshots that somebody means; the first is None if none was named.

    Raises:
        SnapshotMissing: there is none of that day or id.
    """
    first, last = wanted
    return None if first is None else chosen(snapshots, first, office_id), chosen(snapshots, last, office_id)


def require_order(first: SnapshotRow, last: SnapshotRow) -> None:
    """End the command with a message unless the first was published before the last."""
    if first.id >= last.id:
        raise failure(
            f"snapshot {first.id} of {first.aging_date} was not published before {last.id} of {last.aging_date}; "
            "--from is the earlier one."
        )
