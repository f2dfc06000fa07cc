"""The SQL engine of one office: screens, translates, runs, and renders as the API does."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from oddaemon.simulator.functions import FUNCTIONS
from oddaemon.simulator.group_concat import GroupConcat
from oddaemon.simulator.office_clock import OfficeClock
from oddaemon.simulator.refusals import SqlFailed
from oddaemon.simulator.scope import Columns
from oddaemon.simulator.screen import screened, syntax_error
from oddaemon.simulator.tables import Kind, as_mysql_text
from oddaemon.simulator.template import without_keys
from oddaemon.simulator.translation import Statement, translate

STATEMENTS_REMEMBERED = 512

Row = dict[str, object]


class SqlEngine:
    """Runs SELECTs on an office's database.

    Args:
        connection: The database; it is taught MySQL's functions.
        office_clock: What `NOW()` reads; it stands still for the length of a statement.
        group_concat_max_len: Bytes after which GROUP_CONCAT is cut.
        refuses: Words that this office's screen refuses besides the usual ones.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        office_clock: OfficeClock,
        *,
        group_concat_max_len: int,
        refuses: Sequence[str],
    ) -> None:
        _teach(connection, group_concat_max_len)
        self._connection = connection
        self._office_clock = office_clock
        self._refuses = tuple(refuses)

    def select(self, sql: str) -> list[Row]:
        """All rows of the answer, as JSON-ready values under the names that MySQL gives the columns.

        Raises:
            QueryRefused: The screen does not let it through.
            SqlFailed: The database answers with an error.
        """
        template, keys = without_keys(sql)
        statement = prepared(template, self._refuses)
        now = self._office_clock.now()
        parameters = {
            **keys,
            "now": as_mysql_text(now),
            "today": now.date().isoformat(),
            "utc_now": as_mysql_text(self._office_clock.utc_now()),
        }
        try:
            found = self._connection.execute(statement.sqlite, parameters).fetchall()
        except sqlite3.Error as error:
            raise _mysql_error(error, sql) from error
        return _rendered(found, _as_written(statement.columns, keys))


def _teach(connection: sqlite3.Connection, group_concat_max_len: int) -> None:
    """MySQL's functions; all are deterministic, so that SQLite computes constants once."""
    for name, function in FUNCTIONS.items():
        connection.create_function(name, -1, function, deterministic=True)
    # The standard library's stubs know only aggregates of one integer.
    aggregate: Callable[[], Any] = partial(GroupConcat, group_concat_max_len)
    connection.create_aggregate("my_group_concat", -1, aggregate)


@lru_cache(maxsize=STATEMENTS_REMEMBERED)
def prepared(sql: str, refuses: tuple[str, ...]) -> Statement:
    """The statement screened and translated; the same text is not translated twice.

    Raises:
        QueryRefused: The screen does not let it through.
        SqlFailed: It cannot be parsed, or names what does not exist.
    """
    return translate(sql, screened(sql, refuses))


def _as_written(columns: Columns, lifted: Mapping[str, int | str]) -> Columns:
    """Columns under the names that they have in the statement as it was sent."""
    for name, value in lifted.items():
        if isinstance(value, str):
            columns = tuple(column._replace(name=column.name.replace(f":{name}", f"'{value}'")) for column in columns)
    return columns


def _rendered(found: list[tuple[object, ...]], columns: Columns) -> list[Row]:
    names = _distinct_names(columns)
    rows = [dict(zip(names, values, strict=True)) for values in found]
    for name, column in zip(names, columns, strict=True):
        if (render := _RENDER.get(column.kind)) is not None:
            for row in rows:
                row[name] = render(row[name])
    return rows


def _distinct_names(columns: Columns) -> list[str]:
    """A name that comes twice gets a number, as ADO.NET gives it."""
    names: list[str] = []
    taken: set[str] = set()
    for column in columns:
        name, number = column.name, 0
        while name.lower() in taken:
            number += 1
            name = f"{column.name}{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _datetime(value: object) -> object:
    return value.replace(" ", "T") if isinstance(value, str) else value


def _date(value: object) -> object:
    return f"{value}T00:00:00" if isinstance(value, str) else value


_RENDER: dict[Kind, Callable[[object], object]] = {Kind.DATETIME: _datetime, Kind.DATE: _date}


def _mysql_error(error: sqlite3.Error, sql: str) -> SqlFailed:
    reason = str(error)
    if "misuse of aggregate" in reason:
        return SqlFailed("Invalid use of group function")
    if "user-defined" in reason or "wrong number of arguments" in reason:
        return SqlFailed("Incorrect parameter count in the call to native function")
    return syntax_error(sql)
