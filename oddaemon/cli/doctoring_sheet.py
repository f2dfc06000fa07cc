"""Examinations for people: an office's steps with their marks, or a fleet in a table, worst first."""

from collections.abc import Iterator, Sequence

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oddaemon.cli.sheet import Column, Sheet, show
from oddaemon.core.examination import Examination, Outcome, Step, StepName
from oddaemon.core.examination_way import TITLES
from oddaemon.core.model import Owner
from oddaemon.core.standing import ACTORS, OWNERS

MARKS = {Outcome.OK: "✓", Outcome.WRONG: "✗", Outcome.UNTOLD: "–"}  # noqa: RUF001  a dash, as wide as the others
STYLES = {Outcome.OK: "green", Outcome.WRONG: "bold red", Outcome.UNTOLD: "dim"}
TITLE_WIDTH = max(map(len, TITLES.values()))
WELL_SHOWN_MAX = 40
"""A larger fleet's table shows only the offices that are not well."""
ASKED_BY = {
    "daemon": "Asked by the running daemon, in the key's own turn.",
    "doctor": "Asked directly: no daemon is at work at this office.",
}
_ORDER = list(StepName)


def show_examination(examination: Examination) -> None:
    """Write one office's steps, what to do, and what can be sent to whom."""
    console = Console()
    if not console.is_terminal:
        for line in _plain(examination):
            typer.echo(line)
        return
    console.print(Text(_headline(examination), style="bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in examination.steps:
        style = STYLES[step.outcome]
        told = Text(step.sentence, style="dim" if step.outcome is Outcome.UNTOLD else "")
        if step.advice:
            told.append(f"\n{_advice(step)}", style="yellow" if step.outcome is Outcome.WRONG else "dim")
        table.add_row(Text(MARKS[step.outcome], style=style), Text(TITLES[step.name], style=style), told)
    console.print(table)
    for step in _letters(examination):
        console.print()
        console.print(Text(f"To send to {_addressee(step)}:", style="bold"))
        console.print(Padding(Text(step.letter), (0, 0, 0, 2)))
    console.print()
    console.print(Text(_verdict(examination), style="bold"))
    console.print(Text(ASKED_BY.get(examination.asked_by, ""), style="dim"))


def show_round(examinations: Sequence[Examination]) -> None:
    """Write a fleet as a table, worst first, and how many are well."""
    well = sum(each.is_well for each in examinations)
    shown = [each for each in examinations if len(examinations) <= WELL_SHOWN_MAX or not each.is_well]
    if shown:
        columns = [Column("office"), Column(""), Column("first to mend", wraps=True)]
        show(Sheet(columns, [_row(each) for each in sorted(shown, key=_badness)]), Console())
    number = f"{len(examinations):,} offices" if len(examinations) != 1 else "1 office"
    typer.echo(f"{well:,} of {number} {'is' if well == 1 else 'are'} well.")
    if well < len(examinations):
        worst = min(examinations, key=_badness).office
        typer.echo(f"`oddaemon doctor {worst}` shows each step, and what to send to whom.")


def _row(examination: Examination) -> list[str | Text]:
    if examination.is_well:
        return [examination.office, Text(MARKS[Outcome.OK], style=STYLES[Outcome.OK]), ""]
    first = examination.wrong[0]
    told = Text(f"{TITLES[first.name]}: ", style="bold").append(Text(first.sentence, style="not bold"))
    told.append(f" {_advice(first)}", style="not bold yellow")
    if more := len(examination.wrong) - 1:
        told.append(f" And {more} more.", style="not bold")
    return [examination.office, Text(MARKS[Outcome.WRONG], style=STYLES[Outcome.WRONG]), told]


def _badness(examination: Examination) -> tuple[int, int, str]:
    """The earlier the first ✗, the less is known of the rest; the more of them, the more there is to do."""
    wrong = examination.wrong
    place = _ORDER.index(wrong[0].name) if wrong else len(_ORDER)
    return place, -len(wrong), examination.office


def _plain(examination: Examination) -> Iterator[str]:
    """For a pipe: a step a line, nothing wrapped."""
    yield _headline(examination)
    for step in examination.steps:
        yield f"{MARKS[step.outcome]} {TITLES[step.name]:<{TITLE_WIDTH}}  {step.sentence}"
        if step.advice:
            yield f"  {'':<{TITLE_WIDTH}}  {_advice(step)}"
    for step in _letters(examination):
        yield f"To send to {_addressee(step)}: {step.letter}"
    yield _verdict(examination)


def _headline(examination: Examination) -> str:
    name = f" ({examination.name})" if examination.name != examination.office else ""
    return f"{examination.office}{name}"


def _advice(step: Step) -> str:
    who = "" if step.owner is None else f"{_who(step.owner)}: "
    return f"→ {who}{step.advice}"


def _who(owner: Owner | None) -> str:
    return "" if owner is None else ACTORS[owner]


def _addressee(step: Step) -> str:
    # What is ours to mend first may still be the office's.
    return OWNERS[Owner.VENDOR if step.owner is Owner.VENDOR else Owner.OFFICE]


def _letters(examination: Examination) -> list[Step]:
    """One letter a text: two steps may ask for the same."""
    return list({step.letter: step for step in examination.wrong if step.letter}.values())


def _verdict(examination: Examination) -> str:
    wrong = len(examination.wrong)
    if not wrong:
        return "All is well."
    return f"{wrong} {'step needs' if wrong == 1 else 'steps need'} somebody; the first ✗ first."
