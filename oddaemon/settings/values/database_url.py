"""Validates where the database is: a file of this machine, or a PostgreSQL server."""

import os
import re

from pydantic import ValidationInfo

from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.path import to_absolute_path
from oddaemon.settings.values.sink_secrets import check_dsn

SQLITE_PREFIX = "sqlite+aiosqlite:///"

_NOT_A_PATH = re.compile(r"(?!sqlite)[\w+.-]*://|postgres\w*:|.*\bpassword\s*=", re.ASCII | re.IGNORECASE | re.DOTALL)
"""A URL, what was meant to be one, and parameters of libpq: each may contain a password."""


def is_database_path(text: str) -> bool:
    """Whether it names a file, as a path or as a URL of SQLite, and so may be shown."""
    return _NOT_A_PATH.match(text) is None


def normalize_database(text: str, info: ValidationInfo) -> str:
    """Normalize a path, relative to the file that names it, or check the URL of a PostgreSQL server.

    Returns:
        `sqlite+aiosqlite:///` and an absolute path, or the URL of the server as it was written.

    Raises:
        PydanticCustomError: It is neither, or balances could go to a stranger.
    """
    if is_database_path(text):
        return f"{SQLITE_PREFIX}{to_absolute_path(_get_path(text, info), info)}"
    if not text.startswith("postgres"):
        raise invalid("is neither a path nor the URL of a PostgreSQL server", "write a path, or postgresql://…")
    check_dsn(text)
    return text


def _get_path(text: str, info: ValidationInfo) -> str:
    _, separator, path = text.partition("://")
    if not separator:
        path = text
    elif not path.startswith("/"):
        raise invalid(
            "is not a valid SQLite URL", "write three slashes before the path: sqlite+aiosqlite:////path/to/file.db"
        )
    else:
        path = path[1:]
    if path == ":memory:":
        raise invalid("would be lost at every restart", "name a file")
    if "?" in path:
        raise invalid("contains a question mark", "remove it: database options cannot be set")
    if path.endswith("/") or os.path.isdir(to_absolute_path(path, info)):  # noqa: PTH112 - Path.is_dir raises where this answers no
        raise invalid("is a directory", "name a file in it")
    return path
