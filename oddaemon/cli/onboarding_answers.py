"""The questions of `office add`: each answer is checked when it is given, and asked for again until it is good.

What was given on the command line counts as a first answer. Only what can be told of an answer by itself is checked
here; the configuration as a whole is checked before anything is written.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import typer

from oddaemon.cli.onboarding_words import clinics_of, fresh_by_of, labels_of
from oddaemon.settings import flaw_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was given on the command line; None: not."""

    id: str | None = None
    name: str | None = None
    timezone: str | None = None
    tier: str | None = None
    fresh_by: str | None = None
    clinics: str | None = None
    labels: tuple[str, ...] = ()
    key_file: Path | None = None
    key_env: str | None = None
    base_url: str | None = None
    probe: bool = True


class _Question(NamedTuple):
    name: str
    """Of the answer, in `Wanted`."""
    text: str
    default: str = ""
    concerns: frozenset[str] = frozenset()
    """Settings besides its own that the answer decides upon."""


_QUESTIONS = (
    _Question("tier", "Tier of the key: read_all, standard or enterprise", "standard"),
    # For a key without queries there must be one, which the check tells of the reader.
    _Question(
        "timezone",
        "Time zone, such as America/Chicago; empty: suggested by the office's clock",
        concerns=frozenset({"reader"}),
    ),
    _Question("fresh_by", "Fresh by, on the office's clock", "07:00"),
    _Question("clinics", "Clinics, as numbers; empty: all, hidden ones and 0 included"),
    _Question("labels", "Labels, as key=value;key=value; empty: none"),
)
_BETWEEN_LABELS = re.compile(r"[;\s]+")


@dataclass(slots=True)
class Conversation:
    """What has been answered so far."""

    given: Wanted
    is_taken: Callable[[str], str]
    """Why an id is not free; empty if it is."""
    answers: Wanted = field(default_factory=Wanted)

    def hold(self) -> Wanted:
        """Ask for everything, in order."""
        if self.given.base_url and (flaw := flaw_of({"id": "new", "base_url": self.given.base_url}, {"base_url"})):
            raise typer.BadParameter(flaw, param_hint="--base-url")
        self._settle(_Question("id", "Short name, for commands and files (id)"))
        self._settle(_Question("name", "Full name", self.answers.id or ""))
        for question in _QUESTIONS:
            self._settle(question)
        found = {each: getattr(self.answers, each) for each in ("id", "name", *(one.name for one in _QUESTIONS))}
        return replace(self.given, **found)

    def _settle(self, question: _Question) -> None:
        """Ask until the answer is good."""
        given: Any = getattr(self.given, question.name)
        while True:
            answer: Any = _asked(question) if given is None or given == () else given
            said = replace(self.answers, **{question.name: answer})
            flaw = flaw_of(table_of(said), {question.name, *question.concerns})
            if question.name == "id":
                flaw = flaw or self.is_taken(said.id or "")
            if not flaw:
                self.answers = said
                return
            typer.echo(f"  {flaw}", err=True)
            given = None


def answered_until_good(ask: Callable[[], str], flaw: Callable[[str], str]) -> str:
    """The first answer with nothing wrong."""
    while problem := flaw(answer := ask().strip()):
        typer.echo(f"  {problem}", err=True)
    return answer


def table_of(wanted: Wanted) -> dict[str, Any]:
    """The office as a table of a configuration, without its key; what is not told is left out."""
    table: dict[str, Any] = {"id": wanted.id}
    for name in ("name", "timezone", "tier", "base_url"):
        if getattr(wanted, name):
            table[name] = getattr(wanted, name)
    if wanted.fresh_by is not None:
        table["fresh_by"] = fresh_by_of(wanted.fresh_by)
    if wanted.clinics:
        table["clinics"] = clinics_of(wanted.clinics)
    if labels := labels_of(wanted.labels):
        table["labels"] = labels
    return table


def zone_flaw(table: Mapping[str, Any], zone: str) -> str:
    """What is wrong with a time zone for this office."""
    return flaw_of({**table, "timezone": zone}, {"timezone"})


def _asked(question: _Question) -> str | tuple[str, ...]:
    if question.name == "id":
        return str(typer.prompt(question.text)).strip()
    answer = str(typer.prompt(question.text, question.default, show_default=bool(question.default))).strip()
    return tuple(_BETWEEN_LABELS.split(answer)) if question.name == "labels" else answer
