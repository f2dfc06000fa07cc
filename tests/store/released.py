"""What every released revision of the database looked like, with some data in it.

`python -m tests.store.released` dumps the newest revision, once, when it is released; a dump is never made again.
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import anyio

from oddaemon.store.schema import APPLICATION_ID, REVISIONS
from tests.store.filled_database import make_filled_database

SCHEMAS = Path(__file__).parent / "schemas"


def get_dump_path(revision: str) -> Path:
    return SCHEMAS / f"{revision}.sql"


def restore_database(revision: str, path: Path) -> None:
    """Make a database as that release left it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(get_dump_path(revision).read_text())


def main() -> None:
    target = get_dump_path(REVISIONS[-1])
    if target.exists():
        sys.exit(f"{target} is there already: what was released does not change.")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "oddaemon.db")
        anyio.run(make_filled_database, path, 4)
        with closing(sqlite3.connect(path)) as connection:
            lines = [f"PRAGMA application_id = {APPLICATION_ID};", *connection.iterdump()]
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
