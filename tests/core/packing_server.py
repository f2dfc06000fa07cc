"""What an office's server makes of a packed statement; shares no code with the packing under test."""

from collections.abc import Sequence
from itertools import groupby

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.packing import Packing

Group = tuple[int, int, dict[int, str | None]]


def lanes_of(balances: Sequence[Balance], packing: Packing) -> list[Group]:
    """Groups by `PatNum DIV (span * lanes)`, lanes by `PatNum DIV span MOD lanes`, each a GROUP_CONCAT."""
    groups: list[Group] = []
    for group, members in groupby(sorted(balances), key=lambda row: row[0] // (packing.lane_span * packing.lanes)):
        rows = list(members)
        lanes: dict[int, str | None] = {}
        for lane in range(packing.lanes):
            inside = (row for row in rows if row[0] // packing.lane_span % packing.lanes == lane)
            texts = [",".join(str(cell) for cell in row) for row in inside]
            lanes[lane] = "|".join(texts) if texts else None
        groups.append((group, len(rows), lanes))
    return groups


def packed(balances: Sequence[Balance], packing: Packing, lane_bytes_max: int | None = None) -> list[Group]:
    """The same as it arrives: each lane cut silently at `group_concat_max_len`."""
    return [
        (group, count, {lane: text and text[:lane_bytes_max] for lane, text in lanes.items()})
        for group, count, lanes in lanes_of(balances, packing)
    ]
