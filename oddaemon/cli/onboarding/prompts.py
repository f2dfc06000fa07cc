"""The prompts of `office add`: each answer is validated at once, and asked for again until it is valid.

An option of the command line counts as the first answer. Each answer is validated by itself here; the configuration as
a whole is validated before anything is written.
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
    """Options of the command line; None: not given."""

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
    """Its field in `OfficeAnswers`."""
    text: str
    default: str = ""
    related_settings: frozenset[str] = frozenset()
    """Other settings that the answer affects."""


_QUESTIONS = (
    _Question("tier", "Tier of the key: read_all, standard or enterprise", "standard"),
    # A key without the Queries permission needs a zone; validation reports that for `reader`.
    _Question(
        "timezone",
        "Time zone, such as America/Chicago (empty: suggest one from the office's clock)",
        related_settings=frozenset({"reader"}),
    ),
    _Question("fresh_by", "Deadline in the office's time zone", "07:00"),
    _Question("clinics", "ClinicNums (empty: all, including hidden ones and 0)"),
    _Question("labels", "Labels, as key=value;key=value (empty: none)"),
)
_LABEL_SEPARATOR = re.compile(r"[;\s]+")


@dataclass(slots=True)
class Prompter:
    """The answers so far."""

    given: OfficeAnswers
    find_id_conflict: Callable[[str], str]
    """Why an id is taken; empty if it is free."""
    answers: OfficeAnswers = field(default_factory=OfficeAnswers)

    def ask_all(self) -> OfficeAnswers:
        """Ask every question, in order."""
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
        """Ask until the answer is valid."""
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
    """The first valid answer."""
    while problem := find_problem(answer := prompt().strip()):
        typer.echo(f"  {problem}", err=True)
    return answer


def make_office_table(answers: OfficeAnswers) -> dict[str, Any]:
    """The office as a table of the configuration, without its key; values that were not given are left out."""
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
    """Why a time zone is invalid for this office; empty if it is valid."""
    return validate_partial({**table, "timezone": zone}, {"timezone"})


def _prompt(question: _Question) -> str | tuple[str, ...]:
    if question.name == "id":
        return str(typer.prompt(question.text)).strip()
    answer = str(typer.prompt(question.text, question.default, show_default=bool(question.default))).strip()
    return tuple(_LABEL_SEPARATOR.split(answer)) if question.name == "labels" else answer
