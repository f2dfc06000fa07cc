"""What is wrong with a configuration, told so that its reader can mend it without asking anybody."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

PROBLEMS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend, or to think about."""

    file: Path
    key: str
    """The key's path, such as `office[2] "smile".customer_key`; empty when the whole file is meant."""
    value: str | None
    """As it would be written in TOML; None for secrets, tables and whatever is not worth showing."""
    message: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        file = format_path(self.file)
        place = file if self.line is None else f"{file}:{self.line}"
        subject = self.key if self.value is None else f"{self.key} = {self.value}"
        explanation = f"{self.message}; {self.hint}" if self.hint else self.message
        return ": ".join(part for part in (place, subject, explanation) if part)


def make_problem_document(problem: Problem) -> dict[str, Any]:
    """The problem as plain values."""
    return {**asdict(problem), "file": format_path(problem.file)}


def parse_problem(document: Mapping[str, Any]) -> Problem:
    """The problem that a document tells."""
    return Problem(**{**document, "file": Path(document["file"])})


class BadConfiguration(Exception):
    """A configuration that cannot be run, with every problem of all of its files."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(slots=True)
class Diagnostics:
    """What reading has found so far: nothing stops at the first problem, but a thousand are enough to mend at once."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether there is no use in looking further."""
        return len(self.problems) >= PROBLEMS_MAX

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Add problems as far as there is room; those past it are not even looked for."""
        self.problems.extend(islice(problems, max(0, PROBLEMS_MAX - len(self.problems))))


def format_path(path: Path) -> str:
    """A path on one line, whatever bytes its name has: it may come from a directory that others write to."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
