"""What a database says, as text: two runs of one scenario must leave the same bytes.

Everything that is stored is in it, table by table and row by row, future tables included. Five things differ between
any two runs, and only they are replaced or left out:

* An instant of the wall clock, ours or an office's, wherever one stands in a text or a state, reads `(instant)`. That
  there is one is still compared, and `complaints` holds each snapshot's instants against their order.
* The id of a snapshot rises over all offices, so in a fleet it shows which office was first. It reads as its place
  among the office's own snapshots; `complaints` holds the ids against 1, 2, 3 without a gap. In a scenario of one
  office that is the id itself.
* How long a pull took, which reads `(seconds)`.
* The journal, which is left out: it holds the kills themselves, and the requests that were repeated after them.
* What was measured, in an office's state: the difference of two clocks, which reads in whole minutes, and how long a
  run of aging took and when it was complete for who watched it, which is left out.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
SNAPSHOT_IDS = frozenset({("snapshot", "id"), ("balance", "valid_from"), ("balance", "valid_to")})

WATCHED = frozenset({"run_seconds", "completions", "incomplete_at"})
LEFT_OUT = "journal"
SEQUENCES = "sqlite_sequence"
"""SQLite's own table of the highest numbers it gave, one row a table."""

SnapshotPositions = Mapping[int, int]
"""The place of each snapshot among those of its office, by id."""


def dump_state(database: Path) -> bytes:
    """All that it says."""
    with closing(_open(database)) as connection:
        positions = _read_positions(connection)
        lines = []
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column for column, *_ in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            lines += sorted(_format_row(table, row, positions) for row in rows if _is_compared(table, row))
    return "\n".join(lines).encode()


def find_problems(database: Path) -> list[str]:
    """What is wrong with it in itself, whatever any other run has left."""
    problems = []
    with closing(_open(database)) as connection:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            problems.append(f"it is damaged: {found[0]}")
        rows = connection.execute(
            "SELECT id, office, observed_at, published_at, guarantors,"
            " (SELECT count(*) FROM balance WHERE balance.office = snapshot.office AND valid_from <= id"
            " AND (valid_to IS NULL OR valid_to > id)) FROM snapshot ORDER BY id"
        ).fetchall()
    if [row[0] for row in rows] != list(range(1, len(rows) + 1)):
        problems.append(f"snapshot ids have gaps: {[row[0] for row in rows]}")
    last: dict[int, str] = {}
    for number, office, observed_at, published_at, guarantors, stored in rows:
        if not last.get(office, "") < observed_at <= published_at:
            problems.append(f"snapshot {number} was observed or published out of order")
        if stored != guarantors:
            problems.append(f"snapshot {number} has {stored} balances of {guarantors}")
        last[office] = published_at
    return problems


def read_balances(database: Path, office_id: str) -> list[tuple[int, ...]]:
    """The office's current balances, ordered by pat_num."""
    query = (
        "SELECT pat_num, clinic_num, est_balance, bal_0_30, bal_31_60, bal_61_90, bal_over_90, ins_est, bal_total"
        " FROM balance JOIN office ON office.key = balance.office WHERE id = ? AND valid_to IS NULL ORDER BY pat_num"
    )
    with closing(_open(database)) as connection:
        return connection.execute(query, (office_id,)).fetchall()


def read_states(database: Path) -> dict[str, dict[str, Any]]:
    """What is remembered of each office, to the instant; nothing where nothing is stored yet.

    Reading changes nothing: a connection that may not write does not move the log into the file.
    """
    with closing(_open(database, "ro")) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'office'").fetchone():
            return {}
        rows = connection.execute("SELECT id, state FROM office WHERE state IS NOT NULL").fetchall()
    return {office_id: json.loads(state) for office_id, state in rows}


def _open(database: Path, mode: str = "rw") -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode={mode}", uri=True)


def _read_positions(connection: sqlite3.Connection) -> SnapshotPositions:
    query = "SELECT id, row_number() OVER (PARTITION BY office ORDER BY id) FROM snapshot"
    return dict(connection.execute(query).fetchall())


def _is_compared(table: str, row: Mapping[str, Any]) -> bool:
    return LEFT_OUT not in {table, row["name"] if table == SEQUENCES else ""}


def _format_row(table: str, row: Mapping[str, Any], positions: SnapshotPositions) -> str:
    values = {name: _normalize(table, name, value, positions) for name, value in row.items()}
    return f"{table} {json.dumps(values, ensure_ascii=False)}"


def _normalize(table: str, name: str, value: Any, positions: SnapshotPositions) -> Any:
    if (table, name) == ("snapshot", "pull_seconds"):
        return "(seconds)"
    if (table, name) in SNAPSHOT_IDS:
        return positions[value] if value is not None else None
    if (table, name) == ("office", "state") and value is not None:
        return _mask_instants(_round_measurements(json.loads(value)))
    return _mask_instants(value)


def _round_measurements(state: dict[str, Any]) -> dict[str, Any]:
    skew = state["skew_seconds"]
    rounded = {**state, "skew_seconds": None if skew is None else f"{round(skew / 60)} min"}
    return {name: value for name, value in rounded.items() if name not in WATCHED}


def _mask_instants(value: Any) -> Any:
    match value:
        case str():
            return INSTANT.sub("(instant)", value)
        case dict():
            return {name: _mask_instants(each) for name, each in value.items()}
        case list():
            return [_mask_instants(each) for each in value]
        case _:
            return value
