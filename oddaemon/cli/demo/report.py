"""The verdict of the night, for somebody who sees oddaemon for the first time."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from oddaemon.cli.demo.morning import Check
from oddaemon.cli.demo.verdict import Verdict
from oddaemon.cli.sheet import Cell, Column, Sheet, show
from oddaemon.cli.words import STYLES, dollars
from oddaemon.core.model import Condition
from oddaemon.core.standing import WORST_FIRST

COLUMNS = (
    Column("office"),
    Column("what is planted", wraps=True),
    Column("condition"),
    Column("why", wraps=True),
    Column("snapshot", right=True),
    Column("verdict"),
)
NARROW_COLUMNS = (
    Column("office"),
    Column("what is planted, and why it stands so", wraps=True),
    COLUMNS[2],
    COLUMNS[-1],
)
"""For a terminal that has not the width for all."""
WIDE_CHARACTERS = 110


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was judged."""

    verdicts: Sequence[Verdict]
    checks: Sequence[Check]
    seconds: float

    @property
    def right(self) -> bool:
        """Whether nothing at all is wrong."""
        return all(check.right for check in self.checks) and not any(each.complaints for each in self.verdicts)


def tell(report: Report, console: Console) -> None:
    """Write the verdict to standard output."""
    verdicts = sorted(report.verdicts, key=_rank)
    if console.is_terminal and console.width < WIDE_CHARACTERS:
        show(Sheet(NARROW_COLUMNS, [_narrow_row(verdict) for verdict in verdicts]), console)
    else:
        show(Sheet(COLUMNS, [_row(verdict) for verdict in verdicts]), console)
    for verdict in report.verdicts:
        for complaint in verdict.complaints:
            _tick(console, f"{verdict.character.id}: {complaint}", right=False)
    for check in report.checks:
        _tick(console, check.text, right=check.right)
    totals = Text(_totals(report), style="bold green" if report.right else "bold red")
    console.print(totals, soft_wrap=not console.is_terminal)


def _tick(console: Console, text: str, *, right: bool) -> None:
    mark = Text("✓", style="green") if right else Text("✗", style="red")
    console.print(mark, Text(text), soft_wrap=not console.is_terminal)


def _rank(verdict: Verdict) -> tuple[int, str]:
    """The interesting ones last, just above the totals."""
    return -WORST_FIRST.index(verdict.standing.condition), verdict.character.id


def _row(verdict: Verdict) -> list[Cell]:
    snapshot, standing = verdict.snapshot, verdict.standing
    return [
        verdict.character.id,
        verdict.character.planted,
        Text(standing.condition.value, style=STYLES[standing.condition]),
        standing.reason,
        "-" if snapshot is None else f"{snapshot.totals.guarantors:,} of {snapshot.aging_date}",
        _judgment(verdict),
    ]


def _narrow_row(verdict: Verdict) -> list[Cell]:
    office, planted, condition, why, _, judgment = _row(verdict)
    fresh = verdict.standing.condition is Condition.FRESH
    return [office, planted if fresh else f"{planted}\n{why}", condition, judgment]


def _judgment(verdict: Verdict) -> Text:
    if verdict.complaints:
        return Text("✗ wrong", style="red")
    words = [] if verdict.standing.condition is Condition.FRESH else ["explained"]
    if verdict.proof.snapshots:
        words.append("true")
    return Text(f"✓ {', '.join(words)}", style="green")


def _totals(report: Report) -> str:
    proofs = [verdict.proof for verdict in report.verdicts]
    right = sum(not verdict.complaints for verdict in report.verdicts)
    snapshots, guarantors = sum(proof.snapshots for proof in proofs), sum(proof.guarantors for proof in proofs)
    held = "equal the offices' own tables to the cent" if report.right else "were held against the offices' tables"
    return (
        f"{right} of {len(proofs)} offices are as they must be: {snapshots} snapshots of {guarantors:,} guarantors, "
        f"${dollars(sum(proof.cents for proof in proofs))} in all, {held}. {report.seconds:.0f} s."
    )
