"""The tables of one office, in a separate SQLite database in memory.

Column names, types and collation are those of Open Dental as far as a balance query can see: text compares without
case, dates are text in MySQL's notation, money is double.
"""

import sqlite3
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum, auto
from random import Random

from oddaemon.simulator.model.balances import StoredBalance, to_stored_double
from oddaemon.simulator.model.ledger import Family


class SqlType(Enum):
    """The type of a column or expression, as far as its rendering and comparison depend on it."""

    INT = auto()
    DECIMAL = auto()
    DOUBLE = auto()
    TEXT = auto()
    DATE = auto()
    DATETIME = auto()
    UNKNOWN = auto()


_SQLITE_TYPES = {
    SqlType.INT: "INTEGER",
    SqlType.DOUBLE: "REAL",
    SqlType.TEXT: "TEXT COLLATE NOCASE",
    SqlType.DATETIME: "TEXT",
}

MONEY_COLUMNS = ("EstBalance", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "InsEst", "BalTotal")

TABLES: Mapping[str, Mapping[str, SqlType]] = {
    "patient": {
        "PatNum": SqlType.INT,
        "LName": SqlType.TEXT,
        "FName": SqlType.TEXT,
        "PatStatus": SqlType.INT,
        "Guarantor": SqlType.INT,
        "ClinicNum": SqlType.INT,
        **dict.fromkeys(MONEY_COLUMNS, SqlType.DOUBLE),
        "PayPlanDue": SqlType.DOUBLE,
        "DateTStamp": SqlType.DATETIME,
    },
    "preference": {"PrefNum": SqlType.INT, "PrefName": SqlType.TEXT, "ValueString": SqlType.TEXT},
    "clinic": {"ClinicNum": SqlType.INT, "Description": SqlType.TEXT, "Abbr": SqlType.TEXT, "IsHidden": SqlType.INT},
    "apikey": {"APIKeyNum": SqlType.INT, "CustApiKey": SqlType.TEXT, "DevName": SqlType.TEXT},
}

FIRST_NAMES = ("Ana", "Ben", "Chloe", "David", "Emma", "Farid", "Grace", "Hugo", "Iris", "Jonas", "Kim", "Leo", "Mia")
STAMP_COUNT = 40  # different values of DateTStamp at the start
PAT_STATUSES = ((0, 1, 2, 3, 4, 5), (80, 2, 8, 6, 1, 3))  # patient, non-patient, inactive, archived, deleted, deceased


def format_mysql_datetime(instant: datetime) -> str:
    """A naive instant in MySQL's format: `yyyy-MM-dd HH:mm:ss`."""
    return instant.isoformat(" ", "seconds")


class Tables:
    """Creates the tables and writes rows into them. The SQL engine reads them."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.connection.close)  # no caller closes a practice, and Python 3.13 warns
        for table, columns in TABLES.items():
            key, *others = columns
            declared = ", ".join(f"{name} {_SQLITE_TYPES[columns[name]]} NOT NULL" for name in others)
            self.connection.execute(f"CREATE TABLE {table} ({key} INTEGER PRIMARY KEY, {declared})")

    def insert_families(self, families: Iterable[Family], rng: Random, last_aging_day: date) -> None:
        """Every guarantor with the family's balances, every dependent with zeros; last changed up to months ago."""
        columns = len(TABLES["patient"])
        stamps = [_draw_stamp(last_aging_day, rng) for _ in range(STAMP_COUNT)]
        statuses, weights = PAT_STATUSES

        def rows() -> Iterable[tuple[object, ...]]:
            for family in families:
                for pat_num in family.members:
                    is_guarantor = pat_num == family.guarantor
                    money = map(to_stored_double, family.row.money) if is_guarantor else [0.0] * len(MONEY_COLUMNS)
                    status = rng.choices(statuses, weights)[0]
                    names = (family.last_name, rng.choice(FIRST_NAMES))
                    yield pat_num, *names, status, family.guarantor, family.clinic_num, *money, 0.0, rng.choice(stamps)

        self._insert("patient", columns, rows())

    def insert_clinics(self, clinics: Iterable[tuple[int, str, str, bool]]) -> None:
        """Clinics as (ClinicNum, Description, Abbr, IsHidden)."""
        self._insert("clinic", 4, clinics)

    def put_preference(self, pref_num: int, pref_name: str, value: str) -> None:
        """Insert or overwrite one preference."""
        self.connection.execute("INSERT OR REPLACE INTO preference VALUES (?, ?, ?)", (pref_num, pref_name, value))

    def insert_key(self, developer_name: str, customer_key: str) -> None:
        """Add an API key that the office has created."""
        self.connection.execute("INSERT INTO apikey VALUES (NULL, ?, ?)", (customer_key, developer_name))

    def delete_key(self, customer_key: str) -> None:
        """Remove an API key."""
        self.connection.execute("DELETE FROM apikey WHERE CustApiKey = ?", (customer_key,))

    def update_balances(self, rows: Sequence[StoredBalance], touched_at: datetime) -> None:
        """Overwrite guarantors' money columns in one transaction, and set DateTStamp as MySQL does on a change."""
        assignments = ", ".join(f"{column} = ?" for column in MONEY_COLUMNS)
        stamp = format_mysql_datetime(touched_at)
        with self.connection:
            self.connection.execute("BEGIN")
            self.connection.executemany(
                f"UPDATE patient SET {assignments}, DateTStamp = ? WHERE PatNum = ?",
                ((*map(to_stored_double, row.money), stamp, row.pat_num) for row in rows),
            )

    def _insert(self, table: str, columns: int, rows: Iterable[tuple[object, ...]]) -> None:
        places = ", ".join("?" * columns)
        with self.connection:
            self.connection.execute("BEGIN")
            self.connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def _draw_stamp(latest_day: date, rng: Random) -> str:
    day = latest_day - timedelta(days=int(rng.random() ** 2 * 90))
    return format_mysql_datetime(datetime.combine(day, time(rng.randrange(24), rng.randrange(60), rng.randrange(60))))
