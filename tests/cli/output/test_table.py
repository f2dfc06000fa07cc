import io

from rich.console import Console
from rich.text import Text

from oddaemon.cli.output.table import TableColumn, TextTable, format_plain, make_rich_table
from tests.golden import GoldenTexts

TABLE = TextTable(
    [TableColumn("office"), TableColumn("rows", right_aligned=True), TableColumn("why", wraps=True)],
    [["elm", "12", Text("as it must be", style="green")], ["hill-street", "4,000", "[bold] is no markup here"]],
    footer=["total", "4,012", ""],
)


def render_on_terminal(table: TextTable, width: int, *, colours: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system="standard", no_color=not colours)
    console.print(make_rich_table(table))
    return file.getvalue()


def test_in_a_pipe_columns_are_aligned_and_nothing_is_cut(golden: GoldenTexts) -> None:
    golden.check(list(format_plain(TABLE)))


def test_on_a_narrow_terminal_long_text_wraps_and_the_rest_stays_whole() -> None:
    lines = Text.from_ansi(render_on_terminal(TABLE, 36, colours=False)).plain.splitlines()

    assert all(len(line) <= 36 for line in lines)
    assert sum("hill-street" in line for line in lines) == 1
    assert "[bold]" in "".join(lines)


def test_colours_are_left_out_when_they_are_not_wanted() -> None:
    assert "\x1b[32m" in render_on_terminal(TABLE, 80, colours=True)
    assert "\x1b[32m" not in render_on_terminal(TABLE, 80, colours=False)


def test_a_table_without_rows_is_its_header() -> None:
    assert list(format_plain(TextTable([TableColumn("office"), TableColumn("rows")], []))) == ["OFFICE  ROWS"]
