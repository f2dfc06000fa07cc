"""What a delivery carries: a whole snapshot, or the changes since the one that the consumer has.

The changes are read from the stored versions: those that are true in only one of the two snapshots.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from oddaemon.core.delivery import Delivery
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.diff import SnapshotDelta, diff
from oddaemon.core.snapshot.missing_columns import (
    OPTIONAL_COLUMNS,
    PARTIAL_READERS,
    MissingColumns,
    find_missing_columns,
)
from oddaemon.core.snapshot.payload import Payload
from oddaemon.store.column_types import parse_date
from oddaemon.store.database import Database
from oddaemon.store.dialect import Dialect, DialectStatement
from oddaemon.store.values import BALANCE_COLUMNS, SNAPSHOT_COLUMNS, decode_balances, parse_snapshot

_PARTIAL_READERS = ", ".join(f"'{reader.value}'" for reader in sorted(PARTIAL_READERS))


def _format_valid(snapshot: str) -> str:
    return f"(valid_from <= {snapshot}.id AND (valid_to IS NULL OR valid_to > {snapshot}.id))"


def _format_presence(snapshot: str) -> str:
    """For each of `OPTIONAL_COLUMNS` whether a row has it; NULL where the snapshot's reader gives them all."""
    return ", ".join(
        f"CASE WHEN {snapshot}.reader IN ({_PARTIAL_READERS}) THEN "  # noqa: S608 - our own column names
        "EXISTS (SELECT 1 FROM balance "
        f"WHERE office = snapshot.office AND {_format_valid(snapshot)} AND {name} <> 0) END"
        for name in OPTIONAL_COLUMNS
    )


def _write_versions(dialect: Dialect, condition: str, *values: str) -> str:
    """The balances of the versions for which the condition is true, each after these values."""
    source = f"SELECT * FROM balance WHERE office = snapshot.office AND {condition} ORDER BY pat_num"  # noqa: S608 - our own text
    balance = dialect.make_json_array(BALANCE_COLUMNS)
    row = dialect.make_json_array(", ".join((*values, balance))) if values else balance
    return dialect.make_json_rows(row, source)


_SNAPSHOT_DATA = DialectStatement(
    lambda dialect: (
        f"""
SELECT {SNAPSHOT_COLUMNS}, office.name, ({_write_versions(dialect, _format_valid("snapshot"))})
FROM snapshot JOIN office ON office.key = snapshot.office
WHERE snapshot.id = :snapshot
"""  # noqa: S608 - our own column names
    )
)
"""A snapshot with all of its balances, as of one instant."""
_IS_IN_ONE = f"{_format_valid('snapshot')} <> {_format_valid('base')}"
_IS_LATER = f"CASE WHEN {_format_valid('snapshot')} THEN 1 ELSE 0 END"
_DELTA_DATA = DialectStatement(
    lambda dialect: (
        f"""
SELECT {SNAPSHOT_COLUMNS}, office.name, base.aging_date, {_format_presence("snapshot")}, {_format_presence("base")},
    ({_write_versions(dialect, _IS_IN_ONE, _IS_LATER)})
FROM snapshot JOIN office ON office.key = snapshot.office JOIN snapshot AS base ON base.id = :base
WHERE snapshot.id = :snapshot
"""  # noqa: S608 - the same
    )
)
"""A snapshot with the versions that are true in only one of it and its base, as of one instant."""
_versions_decoder = msgspec.json.Decoder(list[tuple[int, Balance]])


async def load_payload(db: Database, delivery: Delivery, base_snapshot_id: int | None) -> Payload | None:
    """What a delivery carries: changes if `base_snapshot_id`, the snapshot that the consumer has, is given.

    Changes are sent only between two snapshots that have the same columns. Otherwise, and where the base is no longer
    kept, the whole snapshot is sent: changes would be differences of the readers, not of the balances.

    Returns:
        None: its snapshot is no longer kept.
    """
    if base_snapshot_id is not None:
        parse = partial(_parse_delta, delivery.office_id, base_snapshot_id)
        values = {"base": base_snapshot_id, "snapshot": delivery.snapshot_id}
        for payload in await db.fetch(_DELTA_DATA.render(db.dialect), values, parse):
            if payload is not None:
                return payload
    statement, parse_whole = _SNAPSHOT_DATA.render(db.dialect), partial(_parse_whole, delivery.office_id)
    found = await db.fetch(statement, {"snapshot": delivery.snapshot_id}, parse_whole)
    return found[0] if found else None


def _parse_whole(office_id: str, row: Sequence[Any]) -> Payload:
    *values, office_name, balances_text = row
    snapshot, balances = parse_snapshot(office_id, values), decode_balances(balances_text)
    missing_columns = find_missing_columns(snapshot.reader, balances)
    return Payload(office_name, snapshot, balances, missing_columns=missing_columns)


def _parse_delta(office_id: str, base_snapshot_id: int, row: Sequence[Any]) -> Payload | None:
    """None: the two snapshots have not the same columns."""
    first, second = -1 - 2 * len(OPTIONAL_COLUMNS), -1 - len(OPTIONAL_COLUMNS)
    (*values, office_name, aging_date), versions_text = row[:first], row[-1]
    presence, base_presence = row[first:second], row[second:-1]
    missing_columns = _select_missing_columns(presence)
    if missing_columns != _select_missing_columns(base_presence):
        return None
    sides: tuple[dict[int, Balance], dict[int, Balance]] = ({}, {})
    for is_later, balance in _versions_decoder.decode(versions_text):
        sides[is_later][balance.pat_num] = balance
    delta = SnapshotDelta(base_snapshot_id, parse_date(aging_date), diff(*sides))
    return Payload(office_name, parse_snapshot(office_id, values), delta=delta, missing_columns=missing_columns)


def _select_missing_columns(presence: Sequence[bool | None]) -> MissingColumns:
    """None: the snapshot's reader leaves no column out."""
    found = zip(OPTIONAL_COLUMNS, presence, strict=True)
    return frozenset(name for name, is_present in found if is_present is not None and not is_present)
