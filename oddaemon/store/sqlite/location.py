"""The file behind the `[state] database` setting."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from oddaemon.store.errors import DatabaseUnusable

_ADVICE = "Set a file, as a path or as sqlite+aiosqlite:////absolute/path."


def parse_database_path(url: str) -> Path:
    """The file behind a SQLAlchemy URL of SQLite, or behind a plain path; not yet resolved.

    Raises:
        DatabaseUnusable: not a file: another kind of database, one in memory, or not a URL.
    """
    if "://" not in url:
        return Path(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The URL may contain a password, so it is not shown.
        raise DatabaseUnusable("The database URL is not valid.", _ADVICE) from None
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseUnusable(f"This version supports SQLite only, not {parsed.get_backend_name()}.", _ADVICE)
    if parsed.database in (None, "", ":memory:"):
        raise DatabaseUnusable("A database in memory would lose everything at the next start.", _ADVICE)
    return Path(parsed.database or "")
