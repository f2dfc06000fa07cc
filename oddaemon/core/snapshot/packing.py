"""How a whole office fits into the rows of one statement, and how it comes out again.

A row of the answer is a *group* of neighbouring PatNums, cut into *lanes*; a lane is one GROUP_CONCAT of the row texts
of its guarantors. A server cuts a GROUP_CONCAT silently at `group_concat_max_len`, so lanes are planned to stay far
below, and whatever comes back is counted again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import sub

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.balance_rows import BalanceRows

ROW_SEPARATOR = "|"
"""Between the texts of two rows. Not a semicolon: the API refuses statements that hold one, and may not read quotes."""
COLUMN_BYTES_MAX = 1024
"""MySQL's and MariaDB's default of group_concat_max_len (MariaDB 10.2 and later: 1 MiB)."""
COLUMN_BYTES_PLANNED = 960
"""Of rows as long as an office's longest numbers together: room for balances that grow."""
ROW_BYTES_FIRST_GUESS = 85
"""Nine numbers with their commas and the separator: a long row; typical ones have 35 to 45 bytes."""
GROUPS_PLANNED = 80
"""Of the 100 rows that the API lets into one answer."""
COLUMNS_PER_GROUP_MAX = 128
COLUMN_SPAN_MAX = 2**16
"""PatNums that lie wider apart than this are random: sooner or later one lane would get too many of them."""
GUARANTORS_PER_GROUP_MIN = 10
"""With fewer guarantors to a packed row than this, plain pages cost the office less."""

_COMMAS_PER_ROW = len(Balance._fields) - 1


@dataclass(frozen=True, slots=True)
class Packing:
    """Spans of PatNums: `lane_span` to a lane, `lanes` lanes to a group."""

    lane_span: int = COLUMN_BYTES_MAX // ROW_BYTES_FIRST_GUESS
    lanes: int = 64
    """The default holds any density of PatNums within the first 76,800 in one statement."""

    @property
    def group_span(self) -> int:
        """PatNums to a group."""
        return self.lane_span * self.lanes

    def narrow(self) -> "Packing | None":
        """Half as much in a lane; None when a lane already holds a single PatNum."""
        return Packing(self.lane_span // 2, min(self.lanes * 2, COLUMNS_PER_GROUP_MAX)) if self.lane_span > 1 else None


FIRST_PACKING = Packing()


def plan_packing(rows: BalanceRows) -> Packing | None:
    """The packing with the fewest lanes that holds these rows, however they are spread among themselves.

    Returns:
        None where PatNums are too sparse for packing to be worth it: read pages.
    """
    if not rows:
        return FIRST_PACKING
    pat_nums = sorted(rows.texts)
    lane_span = _find_widest_span(pat_nums, max(1, COLUMN_BYTES_PLANNED // _compute_row_bytes_max(rows)))
    lanes = 4
    while (groups := _count_groups(pat_nums, lane_span * lanes)) > GROUPS_PLANNED and lanes < COLUMNS_PER_GROUP_MAX:
        lanes *= 2
    is_dense = groups <= GROUPS_PLANNED or len(pat_nums) >= GUARANTORS_PER_GROUP_MIN * groups
    return Packing(lane_span, lanes) if is_dense else None


def _compute_row_bytes_max(rows: BalanceRows) -> int:
    """The bytes of a row that has the longest number of every column, with its separator."""
    columns = list(zip(*(text.split(b",") for text in rows.texts.values()), strict=True))
    return sum(max(map(len, column)) for column in columns) + len(columns)


def _find_widest_span(pat_nums: Sequence[int], items: int) -> int:
    """The largest span of PatNums, up to `COLUMN_SPAN_MAX`, in which never more than `items` guarantors fall."""
    widths: Iterable[int] = map(sub, pat_nums[items:], pat_nums)
    return min([COLUMN_SPAN_MAX, *widths])


def _count_groups(pat_nums: Sequence[int], group_span: int) -> int:
    return len({pat_num // group_span for pat_num in pat_nums})


def format_row(balance: Balance) -> str:
    """The text that the office's server makes of a row: nine integers, comma-separated, money in cents."""
    return ",".join(map(str, balance))


def unpack(group: int, count: int, lanes: Iterable[str | None]) -> str:
    """Take the row texts out of a packed row.

    A number cut short still is a number: only the control totals tell, so nothing here is true before them.

    Args:
        group: Its number.
        count: Its count of guarantors.
        lanes: In their order; None: empty.

    Returns:
        The texts in the order of their PatNums, with a separator between them.

    Raises:
        PackedColumnTruncated: It holds other guarantors than it counted, or a lane ends in the middle of a row.
    """
    text = ROW_SEPARATOR.join(filter(None, lanes))
    found = text.count(ROW_SEPARATOR) + 1 if text else 0
    if found != count:
        raise PackedColumnTruncated(f"group {group} counted {count} guarantors and held {found}")
    if text.count(",") != found * _COMMAS_PER_ROW:
        raise PackedColumnTruncated(f"a lane of group {group} is broken in the middle of a row")
    return text


class PackedColumnTruncated(ValueError):
    """The server truncated a packed row; the message says where, without a balance in it."""
