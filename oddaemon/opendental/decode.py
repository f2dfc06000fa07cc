"""Turns the rows of a response into values of the core, strictly.

Anything missing, of the wrong type, negative where it is a count, or not finite is rejected with a message that quotes
neither a balance nor a key.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from operator import lt
from typing import NamedTuple
from zlib import crc32

import msgspec

from oddaemon.core.diagnostics.diagnosis import ClinicShare, PatNumDensity, RegisteredKeys
from oddaemon.core.model import AgingMark, Balance, ControlQueryResult, ControlTotals, DatabaseIdentity
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.aging_report import ReportRow, has_inconsistent_row
from oddaemon.core.snapshot.balance_rows import ROW_NUMBERS, BalanceRows
from oddaemon.core.snapshot.packing import (
    COLUMNS_PER_GROUP_MAX,
    ROW_SEPARATOR,
    PackedColumnTruncated,
    Packing,
    format_row,
    unpack,
)
from oddaemon.opendental.decode_values import INTEGER_MAX, INTEGER_MIN, MalformedValue, Row, get_texts

_NUMBERS_DECODER = msgspec.json.Decoder(list[int])
_BALANCES_DECODER = msgspec.json.Decoder(list[Balance])
_SLICE_CHARACTERS = 131_072
_SEPARATOR = ROW_SEPARATOR.encode()
_NUMBER_CHARACTERS = b"-0123456789"
_ROW_SHAPE = b"," * (ROW_NUMBERS - 1) + _SEPARATOR
"""What is left of a row, with its end, without the characters of its numbers."""
_NEGATIVE_ZERO = b"-0"
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 19
"""Of 19 digits, once every digit is a zero. Every number with fewer has 64 bits at most."""
_DOLLARS_MAX = 10**15
"""More than any guarantor owes, less than the limit of the database."""
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
_REPORT_AMOUNTS = (
    *("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "BalTotal", "InsWoEst", "InsPayEst", "PatientPortion"),
)
_IDENTITY = ("Title", "Phone", "Address")
_PACKED_COLUMN_NAMES = tuple(f"L{lane}" for lane in range(COLUMNS_PER_GROUP_MAX))


class PackedRows(NamedTuple):
    """The rows of one packed statement."""

    control: ControlQueryResult
    balances: BalanceRows
    groups: int
    last_group: int | None


class ClockReading(NamedTuple):
    """The two clocks of an office's server, both naive, and what its table of preferences said at that instant."""

    office_now: datetime
    utc_now: datetime
    identity: DatabaseIdentity
    mark: AgingMark | None = None
    """None: the table was not asked."""


class PreferencePage(NamedTuple):
    """One response of the list of preferences."""

    value: str | None
    """The value that was asked for; None: it is not on this page."""
    names: Sequence[str]
    """Of the rows on the page; '' for a row without a name."""


class ChangedRow(NamedTuple):
    """A patient's row that changed; `balance` is None if it does not belong to the snapshot any more."""

    pat_num: int
    balance: Balance | None


def parse_preference_page(rows: Sequence[Row], name: str) -> PreferencePage:
    """The value of a preference, as far as one response has it: the server may have ignored the filter.

    A row without a name does not count.
    """
    names = [_get_name(row) for row in rows]
    if rows and not any(names):
        raise MalformedValue("column PrefName is not a string in any row")
    if name.casefold() not in names:
        return PreferencePage(None, names)
    return PreferencePage(rows[names.index(name.casefold())].get_optional_text("ValueString"), names)


def parse_clinics(rows: Sequence[Row]) -> tuple[int, ...]:
    """The ClinicNums on a page of the API's list."""
    return tuple(row.get_integer("ClinicNum") for row in rows)


def parse_clinic_shares(rows: Sequence[Row]) -> tuple[ClinicShare, ...]:
    """How many guarantors belong to each ClinicNum."""
    return tuple(
        ClinicShare(
            row.get_integer("ClinicNum"),
            row.get_integer("Guarantors"),
            None if row.get_cell("IsHidden") is None else row.get_flag("IsHidden"),
        )
        for row in rows
    )


def parse_density(rows: Sequence[Row]) -> PatNumDensity:
    """The density of patient numbers."""
    row = _get_only_row(rows)
    return PatNumDensity(row.get_integer("Guarantors"), row.get_integer("Spans"))


def parse_registered_keys(rows: Sequence[Row], key: Secret) -> RegisteredKeys:
    """Whether `key` is among the registered keys, and how many there are. None of them leaves this function."""
    registered = [row.get_text("CustApiKey").strip() for row in rows]
    return RegisteredKeys(any(key == Secret(each) for each in registered), len(registered))


def parse_clocks(rows: Sequence[Row], identity: DatabaseIdentity | None = None) -> ClockReading:
    """NOW() and UTC_TIMESTAMP() of the office's server, its identity and its state of aging.

    Args:
        rows: The one row.
        identity: From elsewhere, where the query has no preferences.
    """
    row = _get_only_row(rows)
    office_now, utc_now = row.get_datetime("OfficeNow"), row.get_datetime("UtcNow")
    if identity is not None:
        return ClockReading(office_now, utc_now, identity)
    mark, identity = _parse_preference_columns(row)
    return ClockReading(office_now, utc_now, identity, mark)


def parse_control(
    rows: Sequence[Row], elsewhere: tuple[AgingMark, DatabaseIdentity] | None = None
) -> ControlQueryResult:
    """The one row of a control query.

    Args:
        rows: The one row.
        elsewhere: The preferences, where the query has none.
    """
    return _parse_control_row(_get_only_row(rows), elsewhere)


def parse_packed(rows: Sequence[Row], packing: Packing) -> PackedRows:
    """The rows of a packed statement.

    Raises:
        PackedColumnTruncated: The server truncated a packed column.
        MalformedValue: Anything else is wrong.
    """
    if not rows:
        raise MalformedValue("the response has no rows, not even the control columns")
    control = _parse_control_row(rows[0])
    if len(rows) == 1 and rows[0].get_cell("G") is None:
        return PackedRows(control, BalanceRows(), 0, None)
    columns = _PACKED_COLUMN_NAMES[: packing.lanes]
    texts: list[str] = []
    counted, last_group = 0, None
    for row in rows:
        if row.get_cell("G") is None:
            raise MalformedValue("a packed row has no group")
        group, count = row.get_integer("G"), row.get_integer("N")
        if count < 0:
            raise MalformedValue("the count of a group is negative")
        if last_group is not None and group <= last_group:
            raise MalformedValue("packed rows are repeated or out of order")
        last_group = group
        counted += count
        if counted > control.totals.guarantors:
            raise MalformedValue("the groups count more guarantors than the control columns")
        texts.append(unpack(group, count, map(row.get_packed, columns)))
    try:
        balances = parse_balance_rows(ROW_SEPARATOR.join(filter(None, texts)))
    except MalformedValue as error:
        raise PackedColumnTruncated(f"a packed column is broken: {error}") from None
    return PackedRows(control, balances, len(rows), last_group)


def parse_balance_rows(text: str) -> BalanceRows:
    """Parse rows with a separator between them: the inverse of `format_row`. Whole offices pass through here.

    Raises:
        MalformedValue: A row does not hold nine integers, or one of more than 64 bits.
    """
    rows = BalanceRows()
    start = 0
    while start < len(text):
        # In slices: one call of the decoder keeps every other thread waiting.
        end = text.find(ROW_SEPARATOR, start + _SLICE_CHARACTERS)
        end = len(text) if end < 0 else end
        rows.update(_parse_slice(text[start:end].encode()))
        start = end + 1
    if text.endswith(ROW_SEPARATOR):
        raise MalformedValue("a row does not hold nine integers")
    return rows


def _parse_slice(text: bytes) -> BalanceRows:
    texts, checksum = text.split(_SEPARATOR), None
    is_written_plainly = text.translate(None, _NUMBER_CHARACTERS) + _SEPARATOR == _ROW_SHAPE * len(texts)
    try:
        if is_written_plainly and _NEGATIVE_ZERO not in text:
            numbers = _NUMBERS_DECODER.decode(b"[%b]" % text.replace(_SEPARATOR, b","))
        else:
            # The office computed its checksum of rows as its server writes them; a gateway may have wrapped them.
            checksum = sum(map(crc32, texts)) if is_written_plainly else None
            balances = _BALANCES_DECODER.decode(b"[[%b]]" % text.replace(_SEPARATOR, b"],["))
            texts = [format_row(balance).encode() for balance in balances]
            numbers = list(chain.from_iterable(balances))
    except msgspec.MsgspecError:
        raise MalformedValue("a row does not hold nine integers") from None
    # Pages are stored before they are verified, and no database stores larger integers.
    if _has_long_number(text) and (min(numbers) < INTEGER_MIN or max(numbers) > INTEGER_MAX):
        raise MalformedValue("a row holds a number of more than 64 bits")
    return BalanceRows.from_numbers(texts, numbers, checksum)


def _has_long_number(text: bytes) -> bool:
    """Whether any number has more than 18 digits; those with fewer need no look at each value."""
    return _LONG_NUMBER in text.translate(_DIGITS_TO_ZERO)


def parse_page(rows: Sequence[Row], after_pat_num: int | None, rows_max: int) -> BalanceRows:
    """The rows of a page, strictly ascending and all after `after_pat_num`."""
    if len(rows) > rows_max:
        raise MalformedValue(f"a page of at most {rows_max} rows has {len(rows)}")
    balances = _parse_balances(get_texts(rows, "Balance"))
    _require_ascending(list(balances.texts), len(rows), after_pat_num)
    return balances


def parse_changed(rows: Sequence[Row], after_pat_num: int | None) -> list[ChangedRow]:
    """The rows that changed, strictly ascending and all after `after_pat_num`."""
    changed = [
        ChangedRow(
            row.get_integer("PatNum"),
            None if row.get_cell("Balance") is None else next(iter(_parse_balances([row.get_text("Balance")]))),
        )
        for row in rows
    ]
    _require_ascending([row.pat_num for row in changed], len(rows), after_pat_num)
    return changed


def parse_report_rows(page: Sequence[Row]) -> list[ReportRow]:
    """The rows of one page of the aging report, in its order.

    Raises:
        MalformedValue: They differ from the documentation, or a guarantor occurs twice.
    """
    try:
        rows = [_parse_report_row(row) for row in page]
    except MalformedValue as error:
        raise MalformedValue(f"the response is not an aging report: {error}") from None
    if len({row.pat_num for row in rows}) != len(rows):
        raise MalformedValue("a guarantor occurs twice on a page of the report")
    if has_inconsistent_row(rows):
        raise MalformedValue("a row of the report does not add up to its own patient portion")
    return rows


def _get_name(row: Row) -> str:
    """The name of a preference, for comparison; '' for a row whose name is null or nothing that names anything."""
    try:
        value = row.get_cell("PrefName")
    except MalformedValue:
        if "PrefName" not in row.cells:
            raise
        return ""
    return value.casefold() if isinstance(value, str) else ""


def _require_ascending(pat_nums: Sequence[int], rows: int, after_pat_num: int | None) -> None:
    """Require as many PatNums as there are rows, each above the one before."""
    is_after = not pat_nums or after_pat_num is None or pat_nums[0] > after_pat_num
    if not is_after or len(pat_nums) != rows or not all(map(lt, pat_nums, pat_nums[1:])):
        raise MalformedValue("rows are repeated or out of order")


def _get_only_row(rows: Sequence[Row]) -> Row:
    if len(rows) != 1:
        raise MalformedValue(f"expected one row, got {len(rows)}")
    return rows[0]


def _parse_preference_columns(row: Row) -> tuple[AgingMark, DatabaseIdentity]:
    # The balances of an unreadable date belong to no run.
    mark = AgingMark(row.get_datetime_text("DateLastAging"), row.get_datetime_text("AgingBeginDateTime"))
    return mark, DatabaseIdentity._make(map(row.get_integer, _IDENTITY))


def _parse_control_row(row: Row, elsewhere: tuple[AgingMark, DatabaseIdentity] | None = None) -> ControlQueryResult:
    totals = ControlTotals._make(map(row.get_integer, _TOTALS))
    touched = row.get_integer("Touched")
    if totals.guarantors < 0 or totals.checksum < 0 or touched < 0:
        raise MalformedValue("a count is negative")
    mark, identity = elsewhere or _parse_preference_columns(row)
    return ControlQueryResult(
        totals,
        mark.date_last_aging,
        mark.aging_begin,
        row.get_datetime("OfficeNow"),
        row.get_datetime("UtcNow"),
        identity,
        touched,
    )


def _parse_balances(texts: Sequence[str]) -> BalanceRows:
    text = ROW_SEPARATOR.join(texts)
    if not all(texts) or text.count(ROW_SEPARATOR) != max(0, len(texts) - 1):
        raise MalformedValue("a row does not hold nine integers")
    return parse_balance_rows(text)


def _parse_report_row(row: Row) -> ReportRow:
    return ReportRow(row.get_integer("PatNum"), *(row.get_cents(name, _DOLLARS_MAX) for name in _REPORT_AMOUNTS))
