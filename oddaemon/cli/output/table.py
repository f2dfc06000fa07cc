"""A table: coloured and wrapped to the width on a terminal, aligned plain text with nothing cut in a pipe."""

from collections.abc import Iterable, Iterator, Sequence
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
    # In one go: each call flushes, and a large fleet has ten thousand lines.
    typer.echo("\n".join(format_plain(text_table)))


def print_pairs(pairs: Iterable[tuple[Cell, Cell]], console: Console, width: int = 0) -> None:
    """Write a label and a text a line; on a terminal a long text is wrapped beside its label.

    Args:
        pairs: Labels and texts; styles are shown on a terminal only.
        console: Standard output.
        width: The least width of the labels in a pipe.
    """
    if not console.is_terminal:
        for label, text in pairs:
            typer.echo(f"{label!s:<{width}}{GAP}{text}")
        return
    table = Table.grid(padding=(0, len(GAP)))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for pair in pairs:
        table.add_row(*map(_make_text, pair))
    console.print(table)


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
        table.add_row(*map(_make_text, row))
    return table


def _make_text(cell: Cell) -> Text:
    # Square brackets in a name are not markup.
    return Text(cell) if isinstance(cell, str) else cell


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
