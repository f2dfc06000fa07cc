"""One TOML file, read: a table whose secrets are already hidden, and who can say where each key stands.

Never raises over what a file contains: whatever cannot be read is a problem of that file alone.
"""

import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.core.secret import Secret
from oddaemon.settings.files.line_numbers import Location, find_line, find_line_numbers
from oddaemon.settings.files.problem import Diagnostics, Problem, format_path
from oddaemon.settings.values.database_url import is_database_path
from oddaemon.settings.values.path import is_private, read_file
from oddaemon.settings.values.secret import SECRET_NAMES, redact

_BYTES_MAX = 2_097_152
"""About 12,000 offices; a larger file is not a configuration."""
_SHOWN_CHARACTERS_MAX = 60
_TOO_DEEP = re.compile(
    r"""(?:^[ \t\[]*+|[{,][ \t]*+)(?:(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""", re.MULTILINE
)
"""A dotted key that leads nowhere here: for reading it, the library takes the square of its length."""
_DIGITS_MAX = 10**18
_NAME_FIELDS = {"office": "id", "sink": "name"}
"""By which of its keys each table of a list is called."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SYNTAX_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """One file's table. Strings under names that are not known to be harmless are `Secret`s."""

    path: Path
    """As it is shown."""
    directory: Path = field(repr=False)
    """What relative paths in this file are relative to; absolute."""
    table: dict[str, Any] = field(repr=False)
    lines: dict[Location, int] = field(repr=False)
    is_private: bool
    """Whether only its owner, or those whom root allows, may read it."""
    characters: int
    diagnostics: Diagnostics = field(repr=False)
    """Takes the problems of all files."""
    is_form_input: bool = False
    """Its values come from cells or answers, whose writer needs no word of TOML."""
    inline_keys: list[Location] = field(default_factory=list)
    """The keys that stand in the file itself, of the tables that were read."""

    def report(self, location: Location, message: str, hint: str = "", value: object = None) -> None:
        """Report a problem at `location` of this file, up to the limit; `value` is shown if it is a short scalar."""
        if not self.diagnostics.is_full:
            self.diagnostics.problems.append(self._make_problem(location, message, hint, value))

    def warn(self, location: Location, message: str, hint: str = "", value: object = None) -> None:
        """Report a warning. Arguments as for `report`."""
        self.diagnostics.warnings.append(self._make_problem(location, message, hint, value))

    def iter_rows(self, name: str) -> Iterator[tuple[Location, dict[str, Any]]]:
        """Yield the tables of the list `name`, and report what is no such list; a single table is the caller's."""
        match self.table.get(name, []):
            case [*rows]:
                for index, row in enumerate(rows):
                    if self.diagnostics.is_full:
                        return
                    if isinstance(row, dict):
                        yield (name, index), row
                    else:
                        self.report((name, index), "must be a table", f"write [[{name.removesuffix('s')}]]")
            case dict():
                pass
            case _:
                self.report((name,), "must be a table", f"write [[{name.removesuffix('s')}]]")

    def _make_problem(self, location: Location, message: str, hint: str, value: object) -> Problem:
        return Problem(
            file=self.path,
            key=redact(self._format_location(location)),
            value=_format_value(value),
            message=redact(message),
            hint=redact(hint),
            line=find_line(location, self.lines),
        )

    def describe_location(self, location: Location) -> str:
        """Describe a place in this file for the problems of other files."""
        line = find_line(location, self.lines)
        return f"{redact(self._format_location(location))} in {format_path(self.path)}" + (
            "" if line is None else f":{line}"
        )

    def _format_location(self, location: Location) -> str:
        text = ""
        for depth, part in enumerate(location):
            if isinstance(part, int):
                text += f"[{part}]" + (self._format_name(location[0], part) if depth == 1 else "")
            else:
                name = part[:_SHOWN_CHARACTERS_MAX]
                text += ("." if text else "") + (name if _BARE_KEY.fullmatch(name) else json.dumps(name))
                text += "…" if name != part else ""
        return text

    def _format_name(self, kind: str | int, index: int) -> str:
        rows = self.table.get(str(kind))
        row = rows[index] if isinstance(rows, list) and index < len(rows) else None
        name = row.get(_NAME_FIELDS.get(str(kind), "")) if isinstance(row, dict) else None
        return f" {_format_value(name)}" if isinstance(name, str) and name else ""


def read_document(path: Path, safe_names: Collection[str], diagnostics: Diagnostics) -> TomlDocument | None:
    """Read one TOML file.

    Args:
        path: The file.
        safe_names: Names whose strings may be shown. Every other string is hidden at once.
        diagnostics: Takes the problem if the file cannot be read.

    Returns:
        The document, or None if it cannot be read.
    """
    try:
        text, private = _read_text(path)
        table = tomllib.loads(text)
        hide_secrets(table, safe_names)
    except FileNotFoundError:
        problem = Problem(path, "", None, "no such file")
    except PermissionError as error:
        what, mode = "read it", 640
        if not os.access(path.parent, os.X_OK, effective_ids=True):
            what, mode = f"enter {format_path(path.parent.absolute())}", 750
        hint = f"allow the user that runs oddaemon to {what}; under systemd: chgrp oddaemon-config, chmod {mode}"
        problem = Problem(path, "", None, f"cannot be read: {error.strerror}", hint)
    except OSError as error:
        problem = Problem(path, "", None, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        problem = Problem(path, "", None, f"is not UTF-8 (byte {error.start})", "save the file as UTF-8")
    except RecursionError:
        problem = Problem(path, "", None, "is nested too deeply")
    except ValueError as error:
        problem = _make_syntax_problem(path, error)
    else:
        return TomlDocument(
            path, path.absolute().parent, table, find_line_numbers(text), private, len(text), diagnostics
        )
    diagnostics.problems.append(problem)
    return None


def _read_text(path: Path) -> tuple[str, bool]:
    """Read the text of a file, and whether it is private. A pipe or an endless file cannot block this."""
    content, status = read_file(path, _BYTES_MAX)
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    if _TOO_DEEP.search(text):
        raise RecursionError
    return text, is_private(status)


def _make_syntax_problem(path: Path, error: ValueError) -> Problem:
    text = str(error)
    found = _SYNTAX_LINE.search(text)
    message = f"is not valid TOML: {redact(text.removesuffix(found.group() if found else ''))}"
    if found is None:
        return Problem(path, "", None, message)
    hint = "write text in quotes" if "Invalid value" in message else ""
    return Problem(path, "", None, f"{message} (column {found[2]})", hint, line=int(found[1]))


def hide_secrets(
    values: dict[str, Any] | list[Any], safe_names: Collection[str], name: str = "", *, is_label: bool = False
) -> None:
    """Hide every string of a table or a list whose name is not safe.

    Labels have free names: of their strings, only those with the name of a setting are hidden.

    Args:
        values: The table, or the list.
        safe_names: The names of strings that may be shown.
        name: The name of `values`, which is that of each item of a list, too.
        is_label: Whether the items of a list are labels.
    """
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        own_name, is_own_label = (key, name == "labels") if isinstance(key, str) else (name, is_label)
        if isinstance(value, dict | list):
            hide_secrets(value, safe_names, own_name, is_label=is_own_label)
        elif isinstance(value, str):
            is_setting = own_name in safe_names or own_name in SECRET_NAMES
            is_safe = own_name in safe_names and (own_name != "database" or is_database_path(value))
            if is_setting if is_own_label else not is_safe:
                values[key] = Secret(value)  # type: ignore[index]  # its own key


def _format_value(value: object) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = json.dumps(redact(value), ensure_ascii=False)
            return text if len(text) <= _SHOWN_CHARACTERS_MAX else f'{text[:_SHOWN_CHARACTERS_MAX]}…"'
        case int() if abs(value) >= _DIGITS_MAX:
            return "a number of more than 18 digits"
        case int() | float():
            return str(value)
    return None
