"""A table for two readers: a person at a terminal, and the next program of a pipe.

On a terminal it is drawn, coloured and wrapped to the width; in a pipe it is aligned plain text and nothing is cut.
"""

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
class Column:
    """One column: `wraps` may take several lines on a terminal, the others keep to one."""

    header: str
    right: bool = False
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and the rows below them; every row has a cell for each column."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    footer: Sequence[Cell] | None = None


def show(sheet: Sheet, console: Console) -> None:
    """Write a sheet to standard output, as its reader wants it."""
    if console.is_terminal:
        console.print(drawn(sheet))
        return
    for line in plain(sheet):
        typer.echo(line)


def drawn(sheet: Sheet) -> Table:
    """The sheet for a terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=sheet.footer is not None)
    for index, column in enumerate(sheet.columns):
        table.add_column(
            column.header,
            footer="" if sheet.footer is None else sheet.footer[index],
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            ratio=1 if column.wraps else None,
        )
    for row in sheet.rows:
        # A name may hold square brackets: they are no markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def plain(sheet: Sheet) -> Iterator[str]:
    """The sheet line by line, columns two blanks apart."""
    lines = [[column.header.upper() for column in sheet.columns], *([str(cell) for cell in row] for row in sheet.rows)]
    if sheet.footer is not None:
        lines.append([str(cell) for cell in sheet.footer])
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        yield GAP.join(
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, sheet.columns, strict=True)
        ).rstrip()
