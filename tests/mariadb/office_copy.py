"""The tables of a simulated practice in a real database, with the columns that Open Dental declares."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from oddaemon.simulator.mysql.tables import MONEY_COLUMNS, TABLES
from oddaemon.simulator.practice.practice import Practice
from tests.mariadb.server import MariaDbServer

_COLUMNS = {
    "patient": {
        "PatNum": "bigint(20) NOT NULL auto_increment PRIMARY KEY",
        "LName": "varchar(100) DEFAULT ''",
        "FName": "varchar(100) DEFAULT ''",
        "PatStatus": "tinyint(3) unsigned NOT NULL DEFAULT 0",
        "Guarantor": "bigint(20) NOT NULL",
        "ClinicNum": "bigint(20) NOT NULL",
        **dict.fromkeys(MONEY_COLUMNS, "double NOT NULL DEFAULT 0"),
        "PayPlanDue": "double NOT NULL DEFAULT 0",
        "DateTStamp": "timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    },
    "preference": {
        "PrefNum": "bigint(20) NOT NULL auto_increment PRIMARY KEY",
        "PrefName": "varchar(255) DEFAULT ''",
        "ValueString": "text NOT NULL",
    },
    "clinic": {
        "ClinicNum": "bigint(20) NOT NULL auto_increment PRIMARY KEY",
        "Description": "varchar(255) NOT NULL",
        "Abbr": "varchar(255) NOT NULL",
        "IsHidden": "tinyint(4) NOT NULL",
    },
    "apikey": {
        "APIKeyNum": "bigint(20) NOT NULL auto_increment PRIMARY KEY",
        "CustApiKey": "varchar(255) NOT NULL",
        "DevName": "varchar(255) NOT NULL",
    },
}
DATABASE = "opendental"


@dataclass(frozen=True)
class Flavor:
    """How an office's database was set up."""

    engine: str
    table_charset: str
    connection_charset: str
    sql_mode: str | None = None
    """None: the server's default."""

    def __str__(self) -> str:
        mode = "default mode" if self.sql_mode is None else self.sql_mode or "no mode"
        return f"{self.engine}, {self.table_charset} by {self.connection_charset}, {mode}"


class OfficeCopy:
    """An office's database on a real server, answering as the API would.

    Args:
        server: Where it is; a database of the name `opendental` is replaced.
        practice: Whose tables are copied, and whose clock the server's `NOW()` shows.
        flavor: How the database is set up.
    """

    def __init__(self, server: MariaDbServer, practice: Practice, flavor: Flavor) -> None:
        self._connection = server.connect(flavor.connection_charset)
        self._practice = practice
        self._execute("SET time_zone=%s, timestamp=%s", _get_clock(practice))
        self._execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        self._execute(f"CREATE DATABASE {DATABASE} CHARACTER SET {flavor.table_charset}")
        self._execute(f"USE {DATABASE}")
        for table, columns in _COLUMNS.items():
            assert list(columns) == list(TABLES[table])
            declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            self._execute(f"CREATE TABLE {table} ({declared}) ENGINE={flavor.engine}")
            self._copy(table)
        if flavor.sql_mode is not None:
            self._execute("SET sql_mode=%s", (flavor.sql_mode,))

    def short_query(self, sql: str) -> list[dict[str, object]]:
        """The rows by column name, as `select` gives them. No name may come twice."""
        names, rows = self.select(sql)
        assert len(set(names)) == len(names), names
        return [dict(zip(names, row, strict=True)) for row in rows]

    def select(self, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """The names of the columns, and the rows as JSON-ready values.

        Raises:
            pymysql.MySQLError: What the server answers instead.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            return names, [tuple(map(_to_json_value, row)) for row in cursor.fetchall()]

    def close(self) -> None:
        """Leave the server; the database stays."""
        self._connection.close()

    def _copy(self, table: str) -> None:
        rows: list[Sequence[Any]] = self._practice.tables.connection.execute(f"SELECT * FROM {table}").fetchall()
        places = ", ".join(["%s"] * len(_COLUMNS[table]))
        with self._connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows)

    def _execute(self, sql: str, values: Sequence[object] = ()) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)


def normalize_rows(rows: Sequence[dict[str, Any]]) -> list[list[tuple[str, str, object]]]:
    """Rows in a form in which equal ones are equal: 5 and 5.0 are the same number, "5" is none, and -0.0 is not 0.0."""
    return [[(name, *_normalize_value(value)) for name, value in row.items()] for row in rows]


def find_differences(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Where two answers differ, in words for a failing test."""
    if len(one) != len(other):
        yield f"{len(one)} rows and {len(other)} rows"
    for number, (left, right) in enumerate(zip(normalize_rows(one), normalize_rows(other), strict=False)):
        if left != right:
            cells = [f"{a} against {b}" for a, b in zip(left, right, strict=False) if a != b]
            yield f"row {number}: {'; '.join(cells) or 'other columns'}"


def _normalize_value(value: object) -> tuple[str, object]:
    match value:
        case None | str():
            return type(value).__name__, value
        case int():
            return "number", str(value)
        case float() if value.is_integer():
            return "number", f"{value:.0f}"
        case float():
            return "number", repr(value)
    raise TypeError(f"an office never answers with a {type(value).__name__}")


def _to_json_value(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat(timespec="seconds")
        case date():
            return f"{value.isoformat()}T00:00:00"
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
    return value


def _get_clock(practice: Practice) -> tuple[str, float]:
    """The office's offset from UTC as `-08:00`, and its instant."""
    utc_now, now = practice._office_clock.utc_now(), practice._office_clock.now()
    minutes = round((now - utc_now).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}", utc_now.replace(tzinfo=UTC).timestamp()
