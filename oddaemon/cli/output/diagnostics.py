"""Diagnoses for people: the checks of an office with their marks, or a fleet in a table, worst first."""

from collections.abc import Iterator, Sequence

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from oddaemon.cli.output.table import TableColumn, TextTable, print_pairs, print_table
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
    _print_line(console, _format_headline(diagnosis), "bold")
    print_pairs(_format_checks(diagnosis), console, TITLE_WIDTH + 2)
    for check in _select_messages(diagnosis):
        heading = f"Message for {_get_recipient(check)}:"
        if console.is_terminal:
            console.print()
            console.print(Text(heading, style="bold"), Padding(Text(check.message), (0, 0, 0, 2)))
        else:
            typer.echo(f"{heading} {check.message}")
    if console.is_terminal:
        console.print()
    _print_line(console, _format_verdict(diagnosis), "bold")
    if console.is_terminal:
        console.print(Text(CHECKED_BY.get(diagnosis.asked_by, ""), style="dim"))


def _print_line(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _format_checks(diagnosis: Diagnosis) -> Iterator[tuple[Text, Text]]:
    for name, check in diagnosis.checks.items():
        is_skipped, style = check.outcome is CheckOutcome.SKIPPED, OUTCOME_STYLES[check.outcome]
        label = Text(f"{OUTCOME_MARKS[check.outcome]} {name.heading}", style=style)
        yield label, Text(check.sentence, style="dim" if is_skipped else "")
        if check.advice:
            is_failed = check.outcome is CheckOutcome.FAILED
            yield Text(), Text(_format_advice(check), style="yellow" if is_failed else "dim")


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


def _format_headline(diagnosis: Diagnosis) -> str:
    name = f" ({diagnosis.name})" if diagnosis.name != diagnosis.office else ""
    return f"{diagnosis.office}{name}"


def _format_advice(check: CheckResult) -> str:
    actor = "" if check.owner is None else f"{OWNER_SHORT_NAMES[check.owner]}: "
    return f"→ {actor}{check.advice}"


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
