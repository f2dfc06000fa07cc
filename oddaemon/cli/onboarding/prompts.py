"""The prompts of `office add`: each answer is validated at once, and asked for again until it is valid.

An option of the command line counts as the first answer. Each answer is validated by itself here; the configuration as
a whole is validated before anything is written.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import typer

from oddaemon.cli.onboarding.parse import parse_cells
from oddaemon.settings import validate_partial


class _Question(NamedTuple):
    name: str
    """The setting."""
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
    """The answers so far, by setting."""

    given: Mapping[str, str]
    """The options of the command line."""
    find_id_conflict: Callable[[str], str]
    """Why an id is taken; empty if it is free."""
    answers: dict[str, str] = field(default_factory=dict)

    def ask_all(self) -> dict[str, str]:
        """Ask every question, in order. Returns the settings as texts."""
        if problem := _find_problem({"id": "new", "base_url": self.given.get("base_url", "")}, "base_url"):
            raise typer.BadParameter(problem, param_hint="--base-url")
        self._ask_until_valid(_Question("id", "Short name, for commands and files (id)"))
        self._ask_until_valid(_Question("name", "Full name", self.answers["id"]))
        for question in _QUESTIONS:
            self._ask_until_valid(question)
        return {**self.given, **self.answers}

    def _ask_until_valid(self, question: _Question) -> None:
        """Ask until the answer is valid."""
        answer = self.given.get(question.name)
        while True:
            if answer is None:
                answer = _prompt(question)
            candidate = {**self.answers, question.name: answer}
            problem = _find_problem(candidate, question.name, *question.related_settings)
            if question.name == "id":
                problem = problem or self.find_id_conflict(answer)
            if not problem:
                self.answers = candidate
                return
            typer.echo(f"  {problem}", err=True)
            answer = None


def prompt_until_valid(prompt: Callable[[], str], find_problem: Callable[[str], str]) -> str:
    """The first valid answer."""
    while problem := find_problem(answer := prompt().strip()):
        typer.echo(f"  {problem}", err=True)
    return answer


def _find_problem(cells: Mapping[str, str], *names: str) -> str:
    return validate_partial(parse_cells(cells), names)


def _prompt(question: _Question) -> str:
    if question.name == "id":
        return str(typer.prompt(question.text)).strip()
    answer = str(typer.prompt(question.text, question.default, show_default=bool(question.default))).strip()
    return ";".join(_LABEL_SEPARATOR.split(answer)) if question.name == "labels" else answer
