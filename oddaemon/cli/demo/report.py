"""The result of the demo, for readers who are new to oddaemon."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from oddaemon.cli.demo.final_checks import FinalCheck
from oddaemon.cli.demo.verdict import Verdict
from oddaemon.cli.output.formatting import CONDITION_STYLES
from oddaemon.cli.output.table import Cell, TableColumn, TextTable, print_table
from oddaemon.core.model import Condition
from oddaemon.core.office.status import WORST_FIRST
from oddaemon.core.reporting.formatting import format_amount

COLUMNS = (
    TableColumn("office"),
    TableColumn("scenario", wraps=True),
    TableColumn("condition"),
    TableColumn("why", wraps=True),
    TableColumn("snapshot", right_aligned=True),
    TableColumn("verdict"),
)
NARROW_COLUMNS = (
    TableColumn("office"),
    TableColumn("scenario, and why", wraps=True),
    COLUMNS[2],
    COLUMNS[-1],
)
"""For a narrow terminal."""
WIDE_CHARACTERS = 110


@dataclass(frozen=True, slots=True)
class Report:
    """All results."""

    verdicts: Sequence[Verdict]
    checks: Sequence[FinalCheck]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks) and not any(each.problems for each in self.verdicts)


def print_report(report: Report, console: Console) -> None:
    """Write the report to standard output."""
    verdicts = sorted(report.verdicts, key=_rank)
    if console.is_terminal and console.width < WIDE_CHARACTERS:
        print_table(TextTable(NARROW_COLUMNS, [_format_narrow_row(verdict) for verdict in verdicts]), console)
    else:
        print_table(TextTable(COLUMNS, [_format_row(verdict) for verdict in verdicts]), console)
    for verdict in report.verdicts:
        for complaint in verdict.problems:
            _print_check(console, f"{verdict.scenario.id}: {complaint}", passed=False)
    for check in report.checks:
        _print_check(console, check.text, passed=check.passed)
    totals = Text(_format_totals(report), style="bold green" if report.passed else "bold red")
    console.print(totals, soft_wrap=not console.is_terminal)


def _print_check(console: Console, text: str, *, passed: bool) -> None:
    mark = Text("✓", style="green") if passed else Text("✗", style="red")
    console.print(mark, Text(text), soft_wrap=not console.is_terminal)


def _rank(verdict: Verdict) -> tuple[int, str]:
    """Offices with problems last, just above the totals."""
    return -WORST_FIRST.index(verdict.status.condition), verdict.scenario.id


def _format_row(verdict: Verdict) -> list[Cell]:
    snapshot, status = next(iter(verdict.snapshots), None), verdict.status
    return [
        verdict.scenario.id,
        verdict.scenario.description,
        Text(status.condition.value, style=CONDITION_STYLES[status.condition]),
        status.reason,
        "-" if snapshot is None else f"{snapshot.totals.guarantors:,} of {snapshot.aging_date}",
        _format_verdict(verdict),
    ]


def _format_narrow_row(verdict: Verdict) -> list[Cell]:
    office, description, condition, reason, _, judgment = _format_row(verdict)
    fresh = verdict.status.condition is Condition.FRESH
    return [office, description if fresh else f"{description}\n{reason}", condition, judgment]


def _format_verdict(verdict: Verdict) -> Text:
    if verdict.problems:
        return Text("✗ wrong", style="red")
    labels = [] if verdict.status.condition is Condition.FRESH else ["explained"]
    if verdict.snapshots:
        labels.append("true")
    return Text(f"✓ {', '.join(labels)}", style="green")


def _format_totals(report: Report) -> str:
    right = sum(not verdict.problems for verdict in report.verdicts)
    totals = [snapshot.totals for verdict in report.verdicts for snapshot in verdict.snapshots]
    guarantors, cents = sum(each.guarantors for each in totals), sum(each.bal_total for each in totals)
    comparison = (
        "equal to the offices' own tables to the cent" if report.passed else "compared with the offices' own tables"
    )
    return (
        f"{right} of {len(report.verdicts)} offices are as expected: {len(totals)} snapshots of {guarantors:,} "
        f"guarantors, ${format_amount(cents)} in total, {comparison}. {report.seconds:.0f} s."
    )
