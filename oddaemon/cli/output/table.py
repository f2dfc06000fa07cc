"""A table: coloured and wrapped to the width on a terminal, aligned plain text with nothing cut in a pipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | Text
GAP = "  "


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column; on a terminal a cell takes one line, with `wraps` several."""

    header: str
    right_aligned: bool = False
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class TextTable:
    """Columns and rows; every row has a cell for each column."""

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[Cell]]
    footer: Sequence[Cell] | None = None


def print_table(text_table: TextTable, console: Console) -> None:
    """Write a table to standard output."""
    if console.is_terminal:
        console.print(make_rich_table(text_table))
        return
    for line in format_plain(text_table):
        typer.echo(line)


def make_rich_table(text_table: TextTable) -> Table:
    """The table for a terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=text_table.footer is not None)
    for index, column in enumerate(text_table.columns):
        table.add_column(
            column.header,
            footer="" if text_table.footer is None else text_table.footer[index],
            justify="right" if column.right_aligned else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            ratio=1 if column.wraps else None,
        )
    for row in text_table.rows:
        # Square brackets in a name are not markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def format_plain(text_table: TextTable) -> Iterator[str]:
    """The table line by line, columns two spaces apart."""
    lines = [
        [column.header.upper() for column in text_table.columns],
        *([str(cell) for cell in row] for row in text_table.rows),
    ]
    if text_table.footer is not None:
        lines.append([str(cell) for cell in text_table.footer])
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        yield GAP.join(
            cell.rjust(width) if column.right_aligned else cell.ljust(width)
            for cell, width, column in zip(line, widths, text_table.columns, strict=True)
        ).rstrip()
