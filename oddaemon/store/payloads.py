"""What a delivery carries: a whole snapshot, or the changes since the one that the consumer has.

The changes are read from the stored versions: those that are true in only one of the two snapshots.
"""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

import msgspec

from oddaemon.core.delivery import Delivery
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.diff import SnapshotDelta, diff
from oddaemon.core.snapshot.missing_columns import (
    NONE_MISSING,
    OPTIONAL_COLUMNS,
    PARTIAL_READERS,
    MissingColumns,
    find_missing_columns,
)
from oddaemon.core.snapshot.payload import Payload
from oddaemon.store.database import Database
from oddaemon.store.values import BALANCE_COLUMNS, SNAPSHOT_COLUMNS, decode_balances, parse_snapshot

_PARTIAL_READERS = ", ".join(f"'{reader.value}'" for reader in sorted(PARTIAL_READERS))


def _format_valid(snapshot: str) -> str:
    return f"(valid_from <= {snapshot}.id AND (valid_to IS NULL OR valid_to > {snapshot}.id))"


def _format_presence(snapshot: str) -> str:
    """For each of `OPTIONAL_COLUMNS` whether a row has it; NULL where the snapshot's reader gives them all."""
    found = ", ".join(
        f"EXISTS (SELECT 1 FROM balance WHERE office = snapshot.office AND {_format_valid(snapshot)} AND {name} <> 0)"  # noqa: S608 - our own column names
        for name in OPTIONAL_COLUMNS
    )
    return f"CASE WHEN {snapshot}.reader IN ({_PARTIAL_READERS}) THEN json_array({found}) END"


_SNAPSHOT_DATA = f"""
SELECT {SNAPSHOT_COLUMNS}, office.name,
    (SELECT json_group_array(json_array({BALANCE_COLUMNS})) FROM (
        SELECT * FROM balance WHERE office = snapshot.office AND {_format_valid("snapshot")} ORDER BY pat_num))
FROM snapshot JOIN office ON office.key = snapshot.office
WHERE snapshot.id = ?
"""  # noqa: S608 - our own column names
"""A snapshot with all of its balances, as of one instant."""
_DELTA_DATA = f"""
SELECT {SNAPSHOT_COLUMNS}, office.name, base.aging_date, {_format_presence("snapshot")}, {_format_presence("base")},
    (SELECT json_group_array(json_array({_format_valid("snapshot")}, json_array({BALANCE_COLUMNS}))) FROM (
        SELECT * FROM balance WHERE office = snapshot.office AND {_format_valid("snapshot")} <> {_format_valid("base")}
        ORDER BY pat_num))
FROM snapshot JOIN office ON office.key = snapshot.office JOIN snapshot AS base ON base.id = ?
WHERE snapshot.id = ?
"""  # noqa: S608 - the same
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
        for payload in await db.fetch(_DELTA_DATA, (base_snapshot_id, delivery.snapshot_id), parse):
            if payload is not None:
                return payload
    found = await db.fetch(_SNAPSHOT_DATA, (delivery.snapshot_id,), partial(_parse_whole, delivery.office_id))
    return found[0] if found else None


def _parse_whole(office_id: str, row: Sequence[Any]) -> Payload:
    *values, office_name, balances_text = row
    snapshot, balances = parse_snapshot(office_id, values), decode_balances(balances_text)
    missing_columns = find_missing_columns(snapshot.reader, balances)
    return Payload(office_name, snapshot, balances, missing_columns=missing_columns)


def _parse_delta(office_id: str, base_snapshot_id: int, row: Sequence[Any]) -> Payload | None:
    """None: the two snapshots have not the same columns."""
    *values, office_name, aging_date, presence, base_presence, versions_text = row
    missing_columns = _select_missing_columns(presence)
    if missing_columns != _select_missing_columns(base_presence):
        return None
    sides: tuple[dict[int, Balance], dict[int, Balance]] = ({}, {})
    for is_later, balance in _versions_decoder.decode(versions_text):
        sides[is_later][balance.pat_num] = balance
    delta = SnapshotDelta(base_snapshot_id, date.fromisoformat(aging_date), diff(*sides))
    return Payload(office_name, parse_snapshot(office_id, values), delta=delta, missing_columns=missing_columns)


def _select_missing_columns(presence: str | None) -> MissingColumns:
    if presence is None:
        return NONE_MISSING
    found = zip(OPTIONAL_COLUMNS, msgspec.json.decode(presence), strict=True)
    return frozenset(name for name, is_present in found if not is_present)
