"""Which file a database setting means."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from oddaemon.store.errors import DatabaseUnusable

_ADVICE = "Name a file, as a path or as sqlite+aiosqlite:////absolute/path."


def parse_database_path(url: str) -> Path:
    """The file behind a SQLAlchemy URL of SQLite, or behind a plain path; not yet resolved.

    Raises:
        DatabaseUnusable: the URL names no file: another kind of database, one in memory, or not a URL.
    """
    if "://" not in url:
        return Path(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password, so it is not repeated.
        raise DatabaseUnusable("The database URL cannot be understood.", _ADVICE) from None
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseUnusable(
            f"This version keeps its database in SQLite, not in {parsed.get_backend_name()}.", _ADVICE
        )
    if parsed.database in (None, "", ":memory:"):
        raise DatabaseUnusable("A database in memory would forget everything at the next start.", _ADVICE)
    return Path(parsed.database or "")
