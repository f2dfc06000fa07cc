"""JSON of the API to values of the core, and nothing that only looks like a value.

Whatever is missing, of the wrong type, negative where it counts or not finite is refused with a sentence that holds
neither a balance nor a key.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

import msgspec

from oddaemon.core.model import Balance, Control, ControlTotals
from oddaemon.core.packing import Packing, parse_row, unpack

Cell = str | int | float | None
Row = Mapping[str, Cell]

_ROWS = msgspec.json.Decoder(list[dict[str, Cell]])
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


class MalformedError(ValueError):
    """An answer that is not what was asked for."""


class Packed(NamedTuple):
    """What one packed statement brought."""

    control: Control
    balances: list[Balance]
    groups: int
    last_group: int | None


class Moved(NamedTuple):
    """A patient's row that changed; `balance` is None where it does not belong to the snapshot any more."""

    pat_num: int
    balance: Balance | None


def rows(body: bytes) -> list[Row]:
    """Any answer in rows."""
    try:
        return list(_ROWS.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedError(_without_values(str(error))) from None


def preference(body: bytes, name: str) -> str:
    """The value of a preference; `''` where the office does not have it. The filter may have been ignored."""
    for row in rows(body):
        pref_name, value = row.get("PrefName"), row.get("ValueString")
        if isinstance(pref_name, str) and pref_name.lower() == name.lower():
            if value is not None and not isinstance(value, str):
                raise MalformedError(f"the value of preference {name} is not a text")
            return value or ""
    return ""


def clocks(answer: Sequence[Row]) -> tuple[datetime, datetime]:
    """NOW() and UTC_TIMESTAMP() of the office's server, both naive."""
    row = _only(answer)
    return _moment(row, "OfficeNow"), _moment(row, "UtcNow")


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
    groups = [_group(row, packing) for row in answer if row.get("G") is not None]
    if len(groups) != len(answer) and len(answer) > 1:
        raise MalformedError("a packed row has no group")
    numbers = [group for group, _, _ in groups]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise MalformedError("packed rows are repeated or out of order")
    balances = unpack(groups, packing)
    return Packed(first, balances, len(groups), numbers[-1] if numbers else None)


def page(answer: Sequence[Row], after_pat_num: int | None, rows_max: int) -> list[Balance]:
    """The rows of a page, strictly ascending and all after `after_pat_num`."""
    if len(answer) > rows_max:
        raise MalformedError(f"a page of at most {rows_max} rows holds {len(answer)}")
    balances = [_balance(_text(row, "Balance")) for row in answer]
    _ascending([balance.pat_num for balance in balances], after_pat_num)
    return balances


def moved(answer: Sequence[Row], after_pat_num: int | None) -> list[Moved]:
    """The rows that changed, strictly ascending and all after `after_pat_num`."""
    found = [
        Moved(_integer(row, "PatNum"), None if row.get("Balance") is None else _balance(_text(row, "Balance")))
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
    totals = ControlTotals._make(_integer(row, name) for name in _TOTALS)
    if totals.guarantors < 0 or totals.checksum < 0:
        raise MalformedError("a count is below zero")
    return Control(
        totals,
        _optional_text(row, "DateLastAging"),
        _optional_text(row, "AgingBeginDateTime"),
        _moment(row, "OfficeNow"),
        _moment(row, "UtcNow"),
    )


def _group(row: Row, packing: Packing) -> tuple[int, int, Mapping[int, str | None]]:
    count = _integer(row, "N")
    if count < 0:
        raise MalformedError("a group's count is below zero")
    lanes: dict[int, str | None] = {}
    for lane in range(packing.lanes):
        text = _cell(row, f"L{lane}")
        if text is not None and not isinstance(text, str):
            raise MalformedError(f"column L{lane} is not a text")
        lanes[lane] = text
    return _integer(row, "G"), count, lanes


def _balance(text: str) -> Balance:
    try:
        return parse_row(text)
    except (ValueError, TypeError):
        raise MalformedError("a row does not hold nine integers") from None


def _cell(row: Row, name: str) -> Cell:
    try:
        return row[name]
    except KeyError:
        raise MalformedError(f"column {name} is missing") from None


def _text(row: Row, name: str) -> str:
    value = _cell(row, name)
    if not isinstance(value, str):
        raise MalformedError(f"column {name} is not a text")
    return value


def _optional_text(row: Row, name: str) -> str:
    """A preference that the office does not have is null."""
    return "" if _cell(row, name) is None else _text(row, name)


def _integer(row: Row, name: str) -> int:
    """An integer, whether it came as one, as a double or as text."""
    value = _cell(row, name)
    try:
        if isinstance(value, int | str):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
    except ValueError:
        pass
    raise MalformedError(f"column {name} is not an integer")


def _moment(row: Row, name: str) -> datetime:
    try:
        return datetime.fromisoformat(_text(row, name)).replace(tzinfo=None)
    except ValueError:
        raise MalformedError(f"column {name} is not a date and time") from None


def _without_values(message: str) -> str:
    """A decoder's complaint without what it quotes."""
    return re.split(r", got|`", message, maxsplit=1)[0].strip(" :-") or "not JSON in rows"
