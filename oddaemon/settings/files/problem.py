"""The problems of a configuration, described so that the reader can fix them alone."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROBLEMS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem or warning."""

    file: Path
    key: str
    """The path of the key, such as `office[2] "smile".customer_key`; empty: the whole file."""
    value: str | None
    """As TOML; None: a secret, a table or another value that is not shown."""
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
    """Convert a problem to its JSON document."""
    return {**asdict(problem), "file": format_path(problem.file)}


def parse_problem(document: Mapping[str, Any]) -> Problem:
    """Read a problem back from its JSON document."""
    return Problem(**{**document, "file": Path(document["file"])})


class BadConfiguration(Exception):
    """A configuration that cannot be used, with every problem of all of its files."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(slots=True)
class Diagnostics:
    """What was found so far. Reading does not stop at the first problem, but after a thousand."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    """Absolute paths of `oddaemon.toml`, of the files of keys and of the directories of offices, existing or not."""

    @property
    def is_full(self) -> bool:
        """Whether enough problems were found."""
        return len(self.problems) >= PROBLEMS_MAX


def format_path(path: Path) -> str:
    """Format a path on one line, whatever bytes it has: it may come from a directory that others write to."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
