"""Diagnoses for people: the checks of an office with their marks, or a fleet in a table, worst first."""

from collections.abc import Iterator, Sequence

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.core.diagnostics.diagnosis import CheckName, CheckOutcome, CheckResult, Diagnosis
from oddaemon.core.model import Owner
from oddaemon.core.office.status import OWNER_NAMES, OWNER_SHORT_NAMES
from oddaemon.core.reporting.formatting import format_count

OUTCOME_MARKS = {CheckOutcome.OK: "✓", CheckOutcome.FAILED: "✗", CheckOutcome.SKIPPED: "–"}  # noqa: RUF001  a dash, as wide as the others
OUTCOME_STYLES = {CheckOutcome.OK: "green", CheckOutcome.FAILED: "bold red", CheckOutcome.SKIPPED: "dim"}
TITLE_WIDTH = max(len(name.heading) for name in CheckName)
FULL_TABLE_MAX = 40
"""The table of a larger fleet shows only offices with failed checks."""
CHECKED_BY = {
    "daemon": "Checked by the running daemon, at the key's own pace.",
    "doctor": "Checked directly: no daemon watches this office.",
}
_CHECK_ORDER = list(CheckName)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Write the checks of one office, what to do, and messages to send."""
    console = Console()
    if not console.is_terminal:
        for line in _format_plain(diagnosis):
            typer.echo(line)
        return
    console.print(Text(_format_headline(diagnosis), style="bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, check in diagnosis.checks.items():
        style = OUTCOME_STYLES[check.outcome]
        description = Text(check.sentence, style="dim" if check.outcome is CheckOutcome.SKIPPED else "")
        if check.advice:
            description.append(
                f"\n{_format_advice(check)}", style="yellow" if check.outcome is CheckOutcome.FAILED else "dim"
            )
        table.add_row(Text(OUTCOME_MARKS[check.outcome], style=style), Text(name.heading, style=style), description)
    console.print(table)
    for check in _select_messages(diagnosis):
        console.print()
        console.print(Text(f"Message for {_get_recipient(check)}:", style="bold"))
        console.print(Padding(Text(check.message), (0, 0, 0, 2)))
    console.print()
    console.print(Text(_format_verdict(diagnosis), style="bold"))
    console.print(Text(CHECKED_BY.get(diagnosis.asked_by, ""), style="dim"))


def show_diagnoses(diagnoses: Sequence[Diagnosis]) -> None:
    """Write a fleet as a table, worst first, and how many offices passed."""
    well = sum(each.is_healthy for each in diagnoses)
    shown = [each for each in diagnoses if len(diagnoses) <= FULL_TABLE_MAX or not each.is_healthy]
    if shown:
        columns = [TableColumn("office"), TableColumn(""), TableColumn("fix first", wraps=True)]
        print_table(TextTable(columns, [_format_row(each) for each in sorted(shown, key=_rank)]), Console())
    typer.echo(f"{well:,} of {format_count(len(diagnoses), 'office')} healthy.")
    if well < len(diagnoses):
        worst = min(diagnoses, key=_rank).office
        typer.echo(f"`oddaemon doctor {worst}` shows each check, and messages to send.")


def _format_row(diagnosis: Diagnosis) -> list[str | Text]:
    if diagnosis.is_healthy:
        return [diagnosis.office, Text(OUTCOME_MARKS[CheckOutcome.OK], style=OUTCOME_STYLES[CheckOutcome.OK]), ""]
    name, first = next(iter(diagnosis.failed_checks.items()))
    description = Text(f"{name.heading}: ", style="bold").append(Text(first.sentence, style="not bold"))
    description.append(f" {_format_advice(first)}", style="not bold yellow")
    if more := len(diagnosis.failed_checks) - 1:
        description.append(f" And {more} more.", style="not bold")
    return [
        diagnosis.office,
        Text(OUTCOME_MARKS[CheckOutcome.FAILED], style=OUTCOME_STYLES[CheckOutcome.FAILED]),
        description,
    ]


def _rank(diagnosis: Diagnosis) -> tuple[int, int, str]:
    """By the first failed check, as the ones after it depend on it; then by the number of failed checks."""
    failed = diagnosis.failed_checks
    position = _CHECK_ORDER.index(next(iter(failed))) if failed else len(_CHECK_ORDER)
    return position, -len(failed), diagnosis.office


def _format_plain(diagnosis: Diagnosis) -> Iterator[str]:
    """For a pipe: a check a line, nothing wrapped."""
    yield _format_headline(diagnosis)
    for name, check in diagnosis.checks.items():
        yield f"{OUTCOME_MARKS[check.outcome]} {name.heading:<{TITLE_WIDTH}}  {check.sentence}"
        if check.advice:
            yield f"  {'':<{TITLE_WIDTH}}  {_format_advice(check)}"
    for check in _select_messages(diagnosis):
        yield f"Message for {_get_recipient(check)}: {check.message}"
    yield _format_verdict(diagnosis)


def _format_headline(diagnosis: Diagnosis) -> str:
    name = f" ({diagnosis.name})" if diagnosis.name != diagnosis.office else ""
    return f"{diagnosis.office}{name}"


def _format_advice(check: CheckResult) -> str:
    actor = "" if check.owner is None else f"{_format_actor(check.owner)}: "
    return f"→ {actor}{check.advice}"


def _format_actor(owner: Owner | None) -> str:
    return "" if owner is None else OWNER_SHORT_NAMES[owner]


def _get_recipient(check: CheckResult) -> str:
    # A check that we must act on first may still need the office.
    return OWNER_NAMES[Owner.VENDOR if check.owner is Owner.VENDOR else Owner.OFFICE]


def _select_messages(diagnosis: Diagnosis) -> list[CheckResult]:
    """Each message once: two checks may have the same."""
    return list({check.message: check for check in diagnosis.failed_checks.values() if check.message}.values())


def _format_verdict(diagnosis: Diagnosis) -> str:
    failed = len(diagnosis.failed_checks)
    if not failed:
        return "No check failed."
    return f"{format_count(failed, 'check')} failed; fix the first ✗ first."
