"""One TOML file, read: a table whose secrets are already hidden, and who can say where each key stands.

Never raises over what a file contains: whatever cannot be read is a problem of that file alone.
"""

import json
import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.settings.lines import Location, line_numbers, line_of
from oddaemon.settings.paths import is_private, read_file
from oddaemon.settings.problem import Findings, Problem, shown_path
from oddaemon.settings.secret import SECRET_NAMES, Secret, masked

_BYTES_MAX = 2_097_152
"""About 12,000 offices; a larger file is not a configuration."""
_SHOWN_MAX = 60
_TOO_DEEP = re.compile(
    r"""(?:^[ \t\[]*+|[{,][ \t]*+)(?:(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""", re.MULTILINE
)
"""A dotted key that leads nowhere here: for reading it, the library takes the square of its length."""
_DIGITS_MAX = 10**18
_CALLED = {"office": "id", "sink": "name"}
"""By which of its keys each table of a list is called."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SYNTAX_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, slots=True)
class Document:
    """One file's table. Strings under names that are not known to be harmless are `Secret`s."""

    path: Path
    """As it is shown."""
    table: dict[str, Any] = field(repr=False)
    lines: dict[Location, int] = field(repr=False)
    is_private: bool
    """Nobody may read it whom its owner did not mean to."""
    characters: int
    is_typed: bool = False
    """Its values come from cells or answers, whose writer needs no word of TOML."""

    @property
    def directory(self) -> Path:
        """What relative paths in this file are relative to."""
        return self.path.absolute().parent

    def problem(self, location: Location, message: str, hint: str = "", value: object = None) -> Problem:
        """A problem at `location` of this file; `value` is shown only if it is a short scalar."""
        return Problem(
            file=self.path,
            where=masked(self._where(location)),
            value=_shown(value),
            message=masked(message),
            hint=masked(hint),
            line=line_of(location, self.lines),
        )

    def name_of(self, location: Location) -> str:
        """How other files' problems speak of a place in this one."""
        line = line_of(location, self.lines)
        return f"{masked(self._where(location))} in {shown_path(self.path)}" + ("" if line is None else f":{line}")

    def _where(self, location: Location) -> str:
        text = ""
        for depth, part in enumerate(location):
            if isinstance(part, int):
                text += f"[{part}]" + (self._quoted_name(location[0], part) if depth == 1 else "")
            else:
                name = part[:_SHOWN_MAX]
                text += ("." if text else "") + (name if _BARE_KEY.fullmatch(name) else json.dumps(name))
                text += "…" if name != part else ""
        return text

    def _quoted_name(self, kind: str | int, index: int) -> str:
        rows = self.table.get(str(kind))
        row = rows[index] if isinstance(rows, list) and index < len(rows) else None
        name = row.get(_CALLED.get(str(kind), "")) if isinstance(row, dict) else None
        return f" {_shown(name)}" if isinstance(name, str) and name else ""


def parse(path: Path, harmless: Collection[str], findings: Findings) -> Document | None:
    """Reads one TOML file.

    Args:
        path: The file.
        harmless: Names whose strings may be shown; every other string is hidden before anything looks at it.
        findings: Takes the problem if the file cannot be read.

    Returns:
        The document, or None if there is none to speak of.
    """
    try:
        text, private = _text(path)
        table = hidden(tomllib.loads(text), harmless)
    except FileNotFoundError:
        problem = Problem(path, "", None, "no such file")
    except PermissionError as error:
        hint = "the user that runs oddaemon must be allowed to; under systemd: chgrp oddaemon-config and chmod 640"
        problem = Problem(path, "", None, f"cannot be read: {error.strerror}", hint)
    except OSError as error:
        problem = Problem(path, "", None, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        problem = Problem(path, "", None, f"not UTF-8 (byte {error.start})", "save the file as UTF-8")
    except RecursionError:
        problem = Problem(path, "", None, "nested too deeply")
    except ValueError as error:
        problem = _syntax_problem(path, error)
    else:
        return Document(path, table, line_numbers(text), private, len(text))
    findings.problems.append(problem)
    return None


def _text(path: Path) -> tuple[str, bool]:
    """What the file holds, and whether it is private. Neither a pipe nor an endless file can keep us."""
    content, status = read_file(path, _BYTES_MAX)
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    if _TOO_DEEP.search(text):
        raise RecursionError
    return text, is_private(status)


def _syntax_problem(path: Path, error: ValueError) -> Problem:
    text = str(error)
    found = _SYNTAX_LINE.search(text)
    message = f"not valid TOML: {masked(text.removesuffix(found.group() if found else ''))}"
    if found is None:
        return Problem(path, "", None, message)
    hint = "text stands in quotes" if "Invalid value" in message else ""
    return Problem(path, "", None, f"{message} (column {found[2]})", hint, line=int(found[1]))


def hidden(table: dict[str, Any], harmless: Collection[str]) -> dict[str, Any]:
    """`table` with every string hidden whose name is not harmless; among labels, whose names are free, only ours."""
    ours = {*harmless, *SECRET_NAMES}

    def hide(value: Any, name: str, labels: bool) -> Any:  # noqa: ANN401 - a TOML value may be anything
        match value:
            case dict():
                return {key: hide(inner, key, name == "labels") for key, inner in value.items()}
            case list():
                return [hide(inner, name, labels) for inner in value]
            case str() if name in ours if labels else name not in harmless:
                return Secret(value)
        return value

    return {key: hide(value, key, labels=False) for key, value in table.items()}


def _shown(value: object) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = json.dumps(masked(value), ensure_ascii=False)
            return text if len(text) <= _SHOWN_MAX else f'{text[:_SHOWN_MAX]}…"'
        case int() if abs(value) >= _DIGITS_MAX:
            return "a number of more than 18 digits"
        case int() | float():
            return str(value)
    return None
