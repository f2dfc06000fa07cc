"""JSON of the API to values of the core, and nothing that only looks like a value.

Whatever is missing, of the wrong type, negative where it counts or not finite is refused with a sentence that holds
neither a balance nor a key.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hmac import compare_digest
from itertools import pairwise
from typing import NamedTuple

import msgspec

from oddaemon.core.examination import ClinicShare, HeldKeys, Shape
from oddaemon.core.model import Balance, Control, ControlTotals, Identity
from oddaemon.core.packing import LANES_MAX, ROW_SEPARATOR, LaneCutError, Packing, unpack
from oddaemon.core.verify import checksum_of_text
from oddaemon.opendental.cells import (
    INTEGER_MAX,
    INTEGER_MIN,
    MalformedError,
    Row,
    cell,
    integer,
    moment,
    optional_text,
    require_few_rows,
    text_of,
)

__all__ = [
    "Clocks",
    "MalformedError",
    "Moved",
    "Packed",
    "Row",
    "clinics",
    "clocks",
    "control",
    "held_keys",
    "moved",
    "packed",
    "page",
    "parse_rows",
    "preference",
    "rows",
    "shape",
    "shares",
]

_ROWS = msgspec.json.Decoder(list[Row])
_BALANCES = msgspec.json.Decoder(list[Balance])
_TOTALS = (
    "Guarantors",
    "SumEstBalance",
    "SumBal_0_30",
    "SumBal_31_60",
    "SumBal_61_90",
    "SumBalOver90",
    "SumInsEst",
    "SumBalTotal",
    "Checksum",
)
_LANE_NAMES = tuple(f"L{lane}" for lane in range(LANES_MAX))


class Packed(NamedTuple):
    """What one packed statement brought."""

    control: Control
    balances: list[Balance]
    checksum: int
    """Of the very texts that came."""
    groups: int
    last_group: int | None


class Clocks(NamedTuple):
    """An office server's two clocks, both naive, and which database it is."""

    office_now: datetime
    utc_now: datetime
    identity: Identity


class Moved(NamedTuple):
    """A patient's row that changed; `balance` is None where it does not belong to the snapshot any more."""

    pat_num: int
    balance: Balance | None


def rows(body: bytes) -> list[Row]:
    """Any answer in rows."""
    require_few_rows(body)
    try:
        return _ROWS.decode(body)
    except msgspec.MsgspecError as error:
        # The decoder names types and places, never what stands there.
        raise MalformedError(f"the answer is not JSON in rows: {error}") from None
    except UnicodeDecodeError:
        raise MalformedError("the answer is not UTF-8") from None


def preference(body: bytes, name: str) -> str:
    """The value of a preference; `''` where the office does not have it. The filter may have been ignored."""
    for row in rows(body):
        if text_of(row, "PrefName").lower() == name.lower():
            return optional_text(row, "ValueString")
    return ""


def clinics(body: bytes) -> tuple[int, ...]:
    """The ClinicNums of the API's list."""
    return tuple(integer(row, "ClinicNum") for row in rows(body))


def shares(answer: Sequence[Row]) -> tuple[ClinicShare, ...]:
    """How many guarantors belong to each ClinicNum."""
    return tuple(
        ClinicShare(
            integer(row, "ClinicNum"),
            integer(row, "Guarantors"),
            None if cell(row, "IsHidden") is None else integer(row, "IsHidden") != 0,
        )
        for row in answer
    )


def shape(answer: Sequence[Row]) -> Shape:
    """How PatNums lie."""
    row = _only(answer)
    return Shape(integer(row, "Guarantors"), integer(row, "Spans"))


def held_keys(answer: Sequence[Row], key: str) -> HeldKeys:
    """Whether `key` is among the keys that came, and how many those are; none of them leaves this function."""
    held = [text_of(row, "CustApiKey").strip() for row in answer]
    return HeldKeys(any(compare_digest(each.encode(), key.encode()) for each in held), len(held))


def clocks(answer: Sequence[Row]) -> Clocks:
    """NOW() and UTC_TIMESTAMP() of the office's server, and its identity."""
    row = _only(answer)
    return Clocks(moment(row, "OfficeNow"), moment(row, "UtcNow"), _identity(row))


def control(answer: Sequence[Row]) -> Control:
    """The one row of a control query."""
    return _control(_only(answer))


def packed(answer: Sequence[Row], packing: Packing) -> Packed:
    """The rows of a packed statement.

    Raises:
        LaneCutError: The server cut a lane.
        MalformedError: Anything else is not as asked.
    """
    if not answer:
        raise MalformedError("the answer has no row, not even the control columns")
    first = _control(answer[0])
    groups = [_group(row, packing) for row in answer if cell(row, "G") is not None]
    if len(groups) != len(answer) and len(answer) > 1:
        raise MalformedError("a packed row has no group")
    numbers = [group for group, _, _ in groups]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise MalformedError("packed rows are repeated or out of order")
    text = unpack(groups, packing)
    try:
        balances = parse_rows(text)
    except MalformedError as error:
        raise LaneCutError(f"a lane is broken: {error}") from None
    return Packed(first, balances, checksum_of_text(text), len(groups), numbers[-1] if numbers else None)


def parse_rows(text: str) -> list[Balance]:
    """The inverse of the core's `row_text`, for rows with a separator between them. Whole offices go through here.

    Raises:
        MalformedError: Some row does not hold nine integers.
    """
    if not text:
        return []
    try:
        return _BALANCES.decode(f"[[{text.replace(ROW_SEPARATOR, '],[')}]]")
    except msgspec.MsgspecError:
        raise MalformedError("a row does not hold nine integers") from None


def page(answer: Sequence[Row], after_pat_num: int | None, rows_max: int) -> list[Balance]:
    """The rows of a page, strictly ascending and all after `after_pat_num`."""
    if len(answer) > rows_max:
        raise MalformedError(f"a page of at most {rows_max} rows holds {len(answer)}")
    balances = _balances([text_of(row, "Balance") for row in answer])
    _ascending([balance.pat_num for balance in balances], after_pat_num)
    return balances


def moved(answer: Sequence[Row], after_pat_num: int | None) -> list[Moved]:
    """The rows that changed, strictly ascending and all after `after_pat_num`."""
    found = [
        Moved(integer(row, "PatNum"), None if row.get("Balance") is None else _balances([text_of(row, "Balance")])[0])
        for row in answer
    ]
    _ascending([row.pat_num for row in found], after_pat_num)
    return found


def _ascending(pat_nums: Sequence[int], after_pat_num: int | None) -> None:
    last = after_pat_num
    for pat_num in pat_nums:
        if last is not None and pat_num <= last:
            raise MalformedError("rows are repeated or out of order")
        last = pat_num


def _only(answer: Sequence[Row]) -> Row:
    if len(answer) != 1:
        raise MalformedError(f"one row was asked for and {len(answer)} came")
    return answer[0]


def _control(row: Row) -> Control:
    totals = ControlTotals._make(integer(row, name) for name in _TOTALS)
    touched = integer(row, "Touched")
    if totals.guarantors < 0 or totals.checksum < 0 or touched < 0:
        raise MalformedError("a count is below zero")
    return Control(
        totals,
        optional_text(row, "DateLastAging"),
        optional_text(row, "AgingBeginDateTime"),
        moment(row, "OfficeNow"),
        moment(row, "UtcNow"),
        _identity(row),
        touched,
    )


def _identity(row: Row) -> Identity:
    return Identity(integer(row, "Title"), integer(row, "Phone"), integer(row, "Address"))


def _group(row: Row, packing: Packing) -> tuple[int, int, Mapping[int, str | None]]:
    count = integer(row, "N")
    if count < 0:
        raise MalformedError("a group's count is below zero")
    lanes: dict[int, str | None] = {}
    for lane, name in enumerate(_LANE_NAMES[: packing.lanes]):
        text = row.get(name, 0)
        if text is not None and not isinstance(text, str):
            raise MalformedError(f"column {name} is {'not a text' if name in row else 'missing'}")
        lanes[lane] = text
    return integer(row, "G"), count, lanes


def _balances(texts: Sequence[str]) -> list[Balance]:
    balances = parse_rows(ROW_SEPARATOR.join(texts))
    if len(balances) != len(texts):
        raise MalformedError("a row does not hold nine integers")
    # Pages are stored before they are proved, and what no database could store must not get as far as one.
    if any(min(balance) < INTEGER_MIN or max(balance) > INTEGER_MAX for balance in balances):
        raise MalformedError("a row holds a number of more than 64 bits")
    return balances
