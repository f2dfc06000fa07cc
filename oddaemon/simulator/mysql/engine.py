"""The SQL engine of one office: filters, translates, runs, and renders as the API does."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from oddaemon.simulator.model.world_clock import ServerClock
from oddaemon.simulator.mysql.functions import FUNCTIONS, GroupConcat
from oddaemon.simulator.mysql.query_filter import SqlFailed, make_syntax_error, tokenize_query
from oddaemon.simulator.mysql.scope import Columns
from oddaemon.simulator.mysql.tables import SqlType, format_mysql_datetime
from oddaemon.simulator.mysql.translate import Statement, translate

STATEMENT_CACHE_SIZE = 512

# Texts and quoted names match first, so that nothing inside them matches as a key.
_PIECES = re.compile(
    r"""(?P<since>[<>]=?\s*)'(?P<instant>\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d)'(?=\s+THEN\b)
    |'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\bFROM\b
    |(?P<div>\bDIV\s+)(?P<divisor>[1-9]\d{0,17})(?=\s+(?:MOD\s+\d+\s+)?AS\b)
    |(?P<operator>[<>]=?\s*)(?P<key>[1-9]\d{0,17}|[1-8]\d{18})(?![\w.])""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)

Row = dict[str, object]


class SqlEngine:
    """Runs SELECTs on an office's database.

    Args:
        connection: The database; the engine adds MySQL's functions to it.
        office_clock: The source of `NOW()`, which stays constant during a statement.
        group_concat_max_len: Bytes after which GROUP_CONCAT is cut.
        refuses: Additional words that this office's query filter rejects.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        office_clock: ServerClock,
        *,
        group_concat_max_len: int,
        refuses: Sequence[str],
    ) -> None:
        _register_functions(connection, group_concat_max_len)
        self._connection = connection
        self._office_clock = office_clock
        self._refuses = tuple(refuses)

    def select(self, sql: str) -> list[Row]:
        """All rows of the result, as JSON-ready values under MySQL's column names.

        Raises:
            QueryRefused: The query filter rejects it.
            SqlFailed: The database answers with an error.
        """
        template, literals = extract_literals(sql)
        statement = prepare_statement(template, self._refuses)
        now = self._office_clock.now()
        parameters = {
            **literals,
            "now": format_mysql_datetime(now),
            "today": now.date().isoformat(),
            "utc_now": format_mysql_datetime(self._office_clock.utc_now()),
        }
        try:
            found = self._connection.execute(statement.sqlite, parameters).fetchall()
        except sqlite3.Error as error:
            raise _to_mysql_error(error, sql) from error
        return _render_rows(found, _restore_literals(statement.columns, literals))


def _register_functions(connection: sqlite3.Connection, group_concat_max_len: int) -> None:
    """Add MySQL's functions. All are deterministic, so SQLite computes constants once."""
    for name, function in FUNCTIONS.items():
        connection.create_function(name, -1, function, deterministic=True)
    # The standard library's stubs know only aggregates of one integer.
    aggregate: Callable[[], Any] = partial(GroupConcat, group_concat_max_len)
    connection.create_aggregate("my_group_concat", -1, aggregate)


@lru_cache(maxsize=STATEMENT_CACHE_SIZE)
def prepare_statement(sql: str, refuses: tuple[str, ...]) -> Statement:
    """Filter and translate the statement; the same text is translated only once.

    Raises:
        QueryRefused: The query filter rejects it.
        SqlFailed: It cannot be parsed, or it names something that does not exist.
    """
    return translate(sql, tokenize_query(sql, refuses))


def extract_literals(sql: str) -> tuple[str, dict[str, int | str]]:
    """Replace each value that varies between statements by a named parameter.

    A reader that pages by key sends a new text for every page. Parsing takes eight times as long as running, so such
    statements are translated as one. The values are whole numbers in a comparison by `<` or `>` after the last FROM
    (before it a number may be part of a column's name), divisors of a column with a name of its own, and instants in
    the condition of a CASE.

    Returns:
        The statement, and the values by parameter name: `key0`, … are numbers, `instant0`, … are texts.
    """
    last_from = max((piece.start() for piece in _PIECES.finditer(sql) if piece[0].upper() == "FROM"), default=len(sql))
    literals: dict[str, int | str] = {}

    def replace_literal(piece: re.Match[str]) -> str:
        if piece["instant"] is not None:
            name = f"instant{len(literals)}"
            literals[name] = piece["instant"]
            return f"{piece['since']}:{name}"
        if piece["divisor"] is not None:
            name = f"key{len(literals)}"
            literals[name] = int(piece["divisor"])
            return f"{piece['div']}:{name}"
        if piece["key"] is None or piece.start() < last_from:
            return piece[0]
        name = f"key{len(literals)}"
        literals[name] = int(piece["key"])
        return f"{piece['operator']}:{name}"

    return _PIECES.sub(replace_literal, sql), literals


def _restore_literals(columns: Columns, literals: Mapping[str, int | str]) -> Columns:
    """The columns under the names of the original statement."""
    # From the last one back: `key1` is the beginning of `key10`.
    for name, value in reversed(list(literals.items())):
        text = f"'{value}'" if isinstance(value, str) else str(value)
        columns = tuple(column._replace(name=column.name.replace(f":{name}", text)) for column in columns)
    return columns


def _render_rows(found: list[tuple[object, ...]], columns: Columns) -> list[Row]:
    names = _make_distinct_names(columns)
    rows = [dict(zip(names, values, strict=True)) for values in found]
    for name, column in zip(names, columns, strict=True):
        if (render := _RENDERERS.get(column.sql_type)) is not None:
            for row in rows:
                if isinstance(value := row[name], str):
                    row[name] = render(value)
    return rows


def _make_distinct_names(columns: Columns) -> list[str]:
    """A name that occurs twice gets a number, as in ADO.NET."""
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


_RENDERERS: dict[SqlType, Callable[[str], str]] = {
    SqlType.DATETIME: lambda text: text.replace(" ", "T"),
    SqlType.DATE: lambda text: f"{text}T00:00:00",
}


def _to_mysql_error(error: sqlite3.Error, sql: str) -> SqlFailed:
    reason = str(error)
    if "misuse of aggregate" in reason:
        return SqlFailed("Invalid use of group function")
    if "user-defined" in reason or "wrong number of arguments" in reason:
        return SqlFailed("Incorrect parameter count in the call to native function")
    return make_syntax_error(sql)
