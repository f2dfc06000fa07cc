"""The daemon, which kills itself beside one of its commits, or signals itself where no other process could aim.

    python -m tests.crash.killable_process --before 5 -- run --config oddaemon.toml
    python -m tests.crash.killable_process --after 5 --signal SIGTERM -- run --config oddaemon.toml
    python -m tests.crash.killable_process --importing sqlalchemy --signal SIGHUP -- run --config oddaemon.toml
    python -m tests.crash.killable_process --tally FILE -- run --config oddaemon.toml

It is the same program: only SQLite's connections count what they commit. A commit is a COMMIT, a statement that writes
outside of a transaction, or a change of the journal's mode. The process signals itself in the very thread that commits,
and a SIGKILL has taken effect before the next line of that thread.
"""

import argparse
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "PRAGMA JOURNAL_MODE", "VACUUM")


class CommitCounter:
    """Counts the commits of the process, and sends the signal beside the chosen one."""

    def __init__(self, before: int | None, after: int | None, number: signal.Signals, file: Path | None) -> None:
        self._before = before
        self._after = after
        self._signal = number
        self._file = file
        self._commits = 0

    def before_commit(self) -> None:
        """Everything is written but the commit."""
        if self._commits + 1 == self._before:
            os.kill(os.getpid(), self._signal)

    def after_commit(self) -> None:
        """It is committed."""
        self._commits += 1
        if self._file is not None:
            self._file.write_text(str(self._commits), encoding="ascii")
        if self._commits == self._after:
            os.kill(os.getpid(), self._signal)


class CountingConnection(sqlite3.Connection):
    """Counts its commits."""

    counter: ClassVar[CommitCounter]

    def cursor(self, *_arguments: Any) -> Any:
        """A cursor that counts, too."""
        return super().cursor(CountingCursor)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """As ever."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.execute(*arguments)

    def commit(self) -> None:
        """As ever; nothing where no transaction is open."""
        if not self.in_transaction:
            return
        self.counter.before_commit()
        super().commit()
        self.counter.after_commit()


class CountingCursor(sqlite3.Cursor):
    """Counts a statement outside of a transaction as a commit at its last row, which is when SQLite commits it."""

    _rows_left = False

    def execute(self, sql: str, *parameters: Any) -> "CountingCursor":
        """As ever."""
        writes = not self.connection.in_transaction and sql.lstrip().upper().startswith(_WRITES)
        if not writes:
            super().execute(sql, *parameters)
            return self
        if "RETURNING" not in sql.upper():
            CountingConnection.counter.before_commit()
        super().execute(sql, *parameters)
        self._rows_left = self.description is not None
        if not self._rows_left:
            CountingConnection.counter.after_commit()
        elif "RETURNING" in sql.upper():
            CountingConnection.counter.before_commit()
        return self

    def fetchall(self) -> list[Any]:
        """As ever."""
        rows = super().fetchall()
        if self._rows_left:
            self._rows_left = False
            CountingConnection.counter.after_commit()
        return rows


def install_counter(counter: CommitCounter) -> None:
    """From now on every connection of this process counts."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    CountingConnection.counter = counter

    def connect_counted(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
        return connect(*arguments, **{"factory": CountingConnection, **keywords})

    sqlite3.connect = connect_counted  # type: ignore[assignment]  # the one seam that every library goes through
    sqlite3.dbapi2.connect = connect_counted  # type: ignore[assignment]  # the same, under its other name


def signal_at_import(module: str, number: signal.Signals) -> None:
    """The signal comes when the process begins to load this."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import" and arguments[0] == module:
            os.kill(os.getpid(), number)

    sys.addaudithook(hook)


def main() -> None:
    """Prepare the process, then be the daemon."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=int)
    parser.add_argument("--after", type=int)
    parser.add_argument("--importing")
    parser.add_argument("--signal", type=lambda name: signal.Signals[name], default=signal.SIGKILL)
    parser.add_argument("--tally", type=Path)
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    install_counter(CommitCounter(options.before, options.after, options.signal, options.tally))
    if options.importing is not None:
        signal_at_import(options.importing, options.signal)
    sys.argv = ["oddaemon", *options.arguments]
    from oddaemon.cli import main as oddaemon  # noqa: PLC0415 - only now does sqlite3 count

    oddaemon()


if __name__ == "__main__":
    main()
