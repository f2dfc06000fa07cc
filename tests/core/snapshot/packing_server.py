"""What an office's server makes of a packed statement, without code of the packing under test; and its way back."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.packing import ROW_SEPARATOR, Packing, unpack

PackedGroup = tuple[int, int, dict[int, str | None]]


def pack_columns(balances: Sequence[Balance], packing: Packing) -> list[PackedGroup]:
    """Groups by `PatNum DIV (span * lanes)`, lanes by `PatNum DIV span MOD lanes`, each a GROUP_CONCAT."""
    groups: list[PackedGroup] = []
    for group, members in groupby(sorted(balances), key=lambda row: row[0] // (packing.lane_span * packing.lanes)):
        rows = list(members)
        columns: dict[int, str | None] = {}
        for column in range(packing.lanes):
            inside = (row for row in rows if row[0] // packing.lane_span % packing.lanes == column)
            texts = [",".join(str(cell) for cell in row) for row in inside]
            columns[column] = "|".join(texts) if texts else None
        groups.append((group, len(rows), columns))
    return groups


def pack_truncated(
    balances: Sequence[Balance], packing: Packing, column_bytes_max: int | None = None
) -> list[PackedGroup]:
    """The same as it arrives: each lane cut silently at `group_concat_max_len`."""
    return [
        (group, count, {column: text and text[:column_bytes_max] for column, text in columns.items()})
        for group, count, columns in pack_columns(balances, packing)
    ]


def unpack_all(groups: Iterable[PackedGroup], packing: Packing) -> str:
    """The rows of all groups, taken out by the code under test."""
    texts = (unpack(group, count, map(columns.get, range(packing.lanes))) for group, count, columns in groups)
    return ROW_SEPARATOR.join(filter(None, texts))
