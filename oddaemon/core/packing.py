"""How a whole office fits into the rows of one statement, and how it comes out again.

A row of the answer is a *group* of neighbouring PatNums, cut into *lanes*; a lane is one GROUP_CONCAT of the row texts
of its guarantors. A server cuts a GROUP_CONCAT silently at `group_concat_max_len`, so lanes are planned to stay far
below, and whatever comes back is counted again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oddaemon.core.model import Balance

LANE_BYTES_MAX = 1024
"""MySQL's and MariaDB's default of group_concat_max_len (MariaDB 10.2 and later: 1 MiB)."""
LANE_BYTES_PLANNED = 700
"""Room for families that grow and new patients in between."""
ROW_BYTES_FIRST_GUESS = 85
"""Nine numbers with their commas and the separator: a long row; typical ones have 35 to 45 bytes."""
GROUPS_MAX = 100
"""The API's cap on rows of one answer."""
GROUPS_PLANNED = 80
LANES_MAX = 128
GUARANTORS_A_GROUP_MIN = 10
"""With fewer guarantors to a packed row than this, plain pages cost the office less."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Spans of PatNums: `lane_span` to a lane, `lanes` lanes to a group."""

    lane_span: int = 12
    lanes: int = 64
    """The default holds any density of PatNums within the first 76,800 in one statement."""

    @property
    def group_span(self) -> int:
        """PatNums to a group."""
        return self.lane_span * self.lanes

    def narrower(self) -> "Packing | None":
        """Half as much in a lane; None when a lane already holds a single PatNum."""
        return Packing(self.lane_span // 2, min(self.lanes * 2, LANES_MAX)) if self.lane_span > 1 else None


FIRST_PACKING = Packing()


def plan(balances: Sequence[Balance]) -> Packing | None:
    """The packing with the fewest lanes that would have held these balances with room to spare.

    Returns:
        None where PatNums are too sparse for packing to be worth it: read pages.
    """
    if not balances:
        return FIRST_PACKING
    row_bytes = max(len(row_text(balance)) + 1 for balance in balances)
    lane_items = max(1, LANE_BYTES_PLANNED // row_bytes)
    pat_nums = [balance.pat_num for balance in balances]
    span = _widest_lane(pat_nums, lane_items)
    lanes = 4
    while (groups := len({pat_num // (span * lanes) for pat_num in pat_nums})) > GROUPS_PLANNED and lanes < LANES_MAX:
        lanes *= 2
    dense = groups <= GROUPS_PLANNED or len(pat_nums) >= GUARANTORS_A_GROUP_MIN * groups
    return Packing(span, lanes) if dense else None


def _widest_lane(pat_nums: Sequence[int], items: int) -> int:
    """The largest power of two of PatNums in which never more than `items` guarantors fall."""
    span = 1
    while span < 2**62 and max(Counter(pat_num // (span * 2) for pat_num in pat_nums).values()) <= items:
        span *= 2
    return span


def row_text(balance: Balance) -> str:
    """The text that the office's server makes of a row: nine integers, comma-separated, money in cents."""
    return ",".join(map(str, balance))


def parse_row(text: str) -> Balance:
    """The inverse of `row_text`.

    A number cut short still reads as a number: only the control totals tell, so nothing read here is true before them.

    Raises:
        ValueError: The text does not hold nine integers.
    """
    return Balance._make(map(int, text.split(",")))


def unpack(groups: Iterable[tuple[int, int, Mapping[int, str | None]]], packing: Packing) -> list[Balance]:
    """Take balances out of packed rows.

    Args:
        groups: For each row its group number, its count of guarantors and its lanes by number (None: empty).
        packing: What the statement was made with.

    Returns:
        The balances, ordered by pat_num.

    Raises:
        LaneCutError: A group holds other guarantors than it counted, or a lane is broken.
    """
    balances: list[Balance] = []
    for group, count, lanes in groups:
        before = len(balances)
        for lane in range(packing.lanes):
            text = lanes.get(lane)
            if text:
                try:
                    balances += map(parse_row, text.split(";"))
                except (ValueError, TypeError) as error:
                    raise LaneCutError(f"lane {lane} of group {group} is broken after {len(text)} bytes") from error
        if len(balances) - before != count:
            raise LaneCutError(f"group {group} counted {count} guarantors and held {len(balances) - before}")
    return balances


class LaneCutError(ValueError):
    """The server cut a packed row; the message tells where, without a balance in it."""
