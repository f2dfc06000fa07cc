"""How rows leave by the command line: as a table for people, or as a file that programs read."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import typer

from oddaemon.cli.data import Form
from oddaemon.cli.failing import failure
from oddaemon.cli.sheet import Column, Sheet, plain
from oddaemon.core.status import instant, money
from oddaemon.sinks.formats import (
    Columns,
    Envelope,
    FileFormat,
    Kind,
    Layout,
    ParquetMissing,
    Row,
    export,
    standing_alone,
    write_rows,
)

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


def deliver(answer: Answer, wanted: Form | None, output: Path | None) -> None:
    """Write to standard output, or to a file that is there only once it is whole.

    What stands in the way ends the command with a message, and the file as it was.

    Args:
        answer: the rows.
        wanted: how they are written; None: as the file's suffix says, else as a table.
        output: the file; None: standard output.
    """
    form = wanted or _form_of(output)
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


def _form_of(output: Path | None) -> Form:
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return Form(suffix) if suffix in set(Form) else Form.TABLE


def _deliver_table(answer: Answer, output: Path | None) -> None:
    sheet = answer.sheet([row for rows in answer.batches for row in rows])
    if output is None:
        for line in plain(sheet):
            typer.echo(line)
        return
    with standing_alone(output.resolve()) as file:
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
