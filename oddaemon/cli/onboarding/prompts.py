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

from oddaemon.cli.onboarding.parse import parse_clinics, parse_fresh_by, parse_labels
from oddaemon.settings import validate_partial


@dataclass(frozen=True, slots=True)
class OfficeAnswers:
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
    """Of the answer, in `OfficeAnswers`."""
    text: str
    default: str = ""
    related_settings: frozenset[str] = frozenset()
    """Settings besides its own that the answer decides upon."""


_QUESTIONS = (
    _Question("tier", "Tier of the key: read_all, standard or enterprise", "standard"),
    # For a key without queries there must be one, which the check tells of the reader.
    _Question(
        "timezone",
        "Time zone, such as America/Chicago; empty: suggested by the office's clock",
        related_settings=frozenset({"reader"}),
    ),
    _Question("fresh_by", "Fresh by, on the office's clock", "07:00"),
    _Question("clinics", "Clinics, as numbers; empty: all, hidden ones and 0 included"),
    _Question("labels", "Labels, as key=value;key=value; empty: none"),
)
_LABEL_SEPARATOR = re.compile(r"[;\s]+")


@dataclass(slots=True)
class Prompter:
    """What has been answered so far."""

    given: OfficeAnswers
    find_id_conflict: Callable[[str], str]
    """Why an id is not free; empty if it is."""
    answers: OfficeAnswers = field(default_factory=OfficeAnswers)

    def ask_all(self) -> OfficeAnswers:
        """Ask for everything, in order."""
        if self.given.base_url and (
            problem := validate_partial({"id": "new", "base_url": self.given.base_url}, {"base_url"})
        ):
            raise typer.BadParameter(problem, param_hint="--base-url")
        self._ask_until_valid(_Question("id", "Short name, for commands and files (id)"))
        self._ask_until_valid(_Question("name", "Full name", self.answers.id or ""))
        for question in _QUESTIONS:
            self._ask_until_valid(question)
        found = {each: getattr(self.answers, each) for each in ("id", "name", *(one.name for one in _QUESTIONS))}
        return replace(self.given, **found)

    def _ask_until_valid(self, question: _Question) -> None:
        """Ask until the answer is good."""
        given: Any = getattr(self.given, question.name)
        while True:
            answer: Any = _prompt(question) if given is None or given == () else given
            candidate = replace(self.answers, **{question.name: answer})
            problem = validate_partial(make_office_table(candidate), {question.name, *question.related_settings})
            if question.name == "id":
                problem = problem or self.find_id_conflict(candidate.id or "")
            if not problem:
                self.answers = candidate
                return
            typer.echo(f"  {problem}", err=True)
            given = None


def prompt_until_valid(prompt: Callable[[], str], find_problem: Callable[[str], str]) -> str:
    """The first answer with nothing wrong."""
    while problem := find_problem(answer := prompt().strip()):
        typer.echo(f"  {problem}", err=True)
    return answer


def make_office_table(answers: OfficeAnswers) -> dict[str, Any]:
    """The office as a table of a configuration, without its key; what is not told is left out."""
    table: dict[str, Any] = {"id": answers.id}
    for name in ("name", "timezone", "tier", "base_url"):
        if getattr(answers, name):
            table[name] = getattr(answers, name)
    if answers.fresh_by is not None:
        table["fresh_by"] = parse_fresh_by(answers.fresh_by)
    if answers.clinics:
        table["clinics"] = parse_clinics(answers.clinics)
    if labels := parse_labels(answers.labels):
        table["labels"] = labels
    return table


def find_zone_problem(table: Mapping[str, Any], zone: str) -> str:
    """What is wrong with a time zone for this office."""
    return validate_partial({**table, "timezone": zone}, {"timezone"})


def _prompt(question: _Question) -> str | tuple[str, ...]:
    if question.name == "id":
        return str(typer.prompt(question.text)).strip()
    answer = str(typer.prompt(question.text, question.default, show_default=bool(question.default))).strip()
    return tuple(_LABEL_SEPARATOR.split(answer)) if question.name == "labels" else answer
