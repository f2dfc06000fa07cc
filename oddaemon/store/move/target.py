"""What receives a moved database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Table

from oddaemon.store.database import ReadConnection
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.move.rows import Row


class MoveTarget(Protocol):
    """A new database that is marked as unfinished, until `finish`."""

    @property
    def where(self) -> str:
        """Which database this is, for messages."""
        ...

    @property
    def reading(self) -> ReadConnection:
        """For reading what was written."""
        ...

    def normalize(self, table: Table, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows of the common form as this database can store them, still in that form."""
        ...

    def write(self, table: Table, batches: Iterable[Sequence[Row]]) -> None:
        """Store all rows of a table, in one transaction.

        Raises:
            DatabaseUnusable: the database fails.
            ValueError, TypeError: a row does not fit the table.
        """
        ...

    def set_last_numbers(self, numbers: Mapping[str, int]) -> None:
        """Have each of these tables number its next row after this number.

        Raises:
            DatabaseUnusable: the database fails.
        """
        ...

    def finish(self) -> None:
        """Make it a database that a daemon can use.

        Raises:
            DatabaseUnusable: the database fails.
        """
        ...


class TargetNotEmpty(DatabaseUnusable):
    """The target of a move holds something already."""
