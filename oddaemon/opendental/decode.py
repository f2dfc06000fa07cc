"""Decodes the API's JSON into values of the core, strictly.

Anything missing, of the wrong type, negative where it is a count, or not finite is rejected with a message that quotes
neither a balance nor a key.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated, NamedTuple

import msgspec

from oddaemon.core.diagnostics.diagnosis import ClinicShare, PatNumDensity, RegisteredKeys
from oddaemon.core.model import Balance, ControlQueryResult, ControlTotals, DatabaseIdentity
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.aging_report import ReportRow, has_inconsistent_row
from oddaemon.core.snapshot.packing import COLUMNS_PER_GROUP_MAX, ROW_SEPARATOR, PackedColumnTruncated, Packing, unpack
from oddaemon.core.snapshot.verify import compute_checksum
from oddaemon.opendental.decode_values import INTEGER_MAX, INTEGER_MIN, Cell, MalformedValue, Row, require_row_limit

_ROWS_DECODER = msgspec.json.Decoder(list[Mapping[str, Cell]])
_BALANCES_DECODER = msgspec.json.Decoder(list[Balance])
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
_IDENTITY = ("Title", "Phone", "Address")
_PACKED_COLUMN_NAMES = tuple(f"L{lane}" for lane in range(COLUMNS_PER_GROUP_MAX))


class PackedRows(NamedTuple):
    """The rows of one packed statement."""

    control: ControlQueryResult
    balances: list[Balance]
    checksum: int
    """Of the row texts as received."""
    groups: int
    last_group: int | None


class ClockReading(NamedTuple):
    """The two clocks of an office's server, both naive, and the identity of its database."""

    office_now: datetime
    utc_now: datetime
    identity: DatabaseIdentity


class ChangedRow(NamedTuple):
    """A patient's row that changed; `balance` is None if it does not belong to the snapshot any more."""

    pat_num: int
    balance: Balance | None


class _RawReportRow(msgspec.Struct):
    """A row as received; the patient's name is not decoded."""

    PatNum: Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]
    Bal_0_30: float
    Bal_31_60: float
    Bal_61_90: float
    BalOver90: float
    BalTotal: float
    InsWoEst: float
    InsPayEst: float
    PatientPortion: float


_REPORT_DECODER = msgspec.json.Decoder(list[_RawReportRow])
_REPORT_AMOUNTS = _RawReportRow.__struct_fields__[1:]


def parse_json_rows(body: bytes) -> list[Row]:
    """Decode any response that is a list of rows."""
    require_row_limit(body)
    try:
        return list(map(Row, _ROWS_DECODER.decode(body)))
    except msgspec.MsgspecError as error:
        # The decoder's message has types and positions, never values.
        raise MalformedValue(f"the response is not a JSON list of rows: {error}") from None
    except UnicodeDecodeError:
        raise MalformedValue("the response is not UTF-8") from None


def parse_preference(body: bytes, name: str) -> str:
    """The value of a preference; `''` if the office does not have it. The server may have ignored the filter."""
    for row in parse_json_rows(body):
        if row.get_text("PrefName").lower() == name.lower():
            return row.get_optional_text("ValueString")
    return ""


def parse_clinics(body: bytes) -> tuple[int, ...]:
    """The ClinicNums in the API's list."""
    return tuple(row.get_integer("ClinicNum") for row in parse_json_rows(body))


def parse_clinic_shares(rows: Sequence[Row]) -> tuple[ClinicShare, ...]:
    """How many guarantors belong to each ClinicNum."""
    return tuple(
        ClinicShare(
            row.get_integer("ClinicNum"),
            row.get_integer("Guarantors"),
            None if row.get_cell("IsHidden") is None else row.get_integer("IsHidden") != 0,
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


def parse_clocks(rows: Sequence[Row]) -> ClockReading:
    """NOW() and UTC_TIMESTAMP() of the office's server, and its identity."""
    row = _get_only_row(rows)
    return ClockReading(
        row.get_datetime("OfficeNow"),
        row.get_datetime("UtcNow"),
        DatabaseIdentity._make(map(row.get_integer, _IDENTITY)),
    )


def parse_control(rows: Sequence[Row]) -> ControlQueryResult:
    """The one row of a control query."""
    return _parse_control_row(_get_only_row(rows))


def parse_packed(rows: Sequence[Row], packing: Packing) -> PackedRows:
    """The rows of a packed statement.

    Raises:
        PackedColumnTruncated: The server truncated a packed column.
        MalformedValue: Anything else is wrong.
    """
    if not rows:
        raise MalformedValue("the response has no rows, not even the control columns")
    first = _parse_control_row(rows[0])
    groups = [_parse_group(row, packing) for row in rows if row.get_cell("G") is not None]
    if len(groups) != len(rows) and len(rows) > 1:
        raise MalformedValue("a packed row has no group")
    numbers = [group for group, _, _ in groups]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise MalformedValue("packed rows are repeated or out of order")
    text = unpack(groups, packing)
    try:
        balances = parse_balance_text(text)
    except MalformedValue as error:
        raise PackedColumnTruncated(f"a packed column is broken: {error}") from None
    return PackedRows(first, balances, compute_checksum(text), len(groups), numbers[-1] if numbers else None)


def parse_balance_text(text: str) -> list[Balance]:
    """Parse rows with a separator between them: the inverse of `format_row`. Whole offices pass through here.

    Raises:
        MalformedValue: A row does not hold nine integers.
    """
    if not text:
        return []
    try:
        return _BALANCES_DECODER.decode(f"[[{text.replace(ROW_SEPARATOR, '],[')}]]")
    except msgspec.MsgspecError:
        raise MalformedValue("a row does not hold nine integers") from None


def parse_page(rows: Sequence[Row], after_pat_num: int | None, rows_max: int) -> list[Balance]:
    """The rows of a page, strictly ascending and all after `after_pat_num`."""
    if len(rows) > rows_max:
        raise MalformedValue(f"a page of at most {rows_max} rows has {len(rows)}")
    balances = _parse_balances([row.get_text("Balance") for row in rows])
    _require_ascending([balance.pat_num for balance in balances], after_pat_num)
    return balances


def parse_changed(rows: Sequence[Row], after_pat_num: int | None) -> list[ChangedRow]:
    """The rows that changed, strictly ascending and all after `after_pat_num`."""
    changed = [
        ChangedRow(
            row.get_integer("PatNum"),
            None if row.cells.get("Balance") is None else _parse_balances([row.get_text("Balance")])[0],
        )
        for row in rows
    ]
    _require_ascending([row.pat_num for row in changed], after_pat_num)
    return changed


def parse_report_rows(body: bytes) -> list[ReportRow]:
    """The rows of one page of the aging report, in its order.

    Raises:
        MalformedValue: They differ from the documentation, or a guarantor occurs twice.
    """
    require_row_limit(body)
    try:
        rows = [_parse_report_row(row) for row in _REPORT_DECODER.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # The decoder's message could quote a name or an amount.
        raise MalformedValue("the response is not an aging report") from None
    if len({row.pat_num for row in rows}) != len(rows):
        raise MalformedValue("a guarantor occurs twice on a page of the report")
    if has_inconsistent_row(rows):
        raise MalformedValue("a row of the report does not add up to its own patient portion")
    return rows


def _require_ascending(pat_nums: Sequence[int], after_pat_num: int | None) -> None:
    last = after_pat_num
    for pat_num in pat_nums:
        if last is not None and pat_num <= last:
            raise MalformedValue("rows are repeated or out of order")
        last = pat_num


def _get_only_row(rows: Sequence[Row]) -> Row:
    if len(rows) != 1:
        raise MalformedValue(f"expected one row, got {len(rows)}")
    return rows[0]


def _parse_control_row(row: Row) -> ControlQueryResult:
    totals = ControlTotals._make(map(row.get_integer, _TOTALS))
    touched = row.get_integer("Touched")
    if totals.guarantors < 0 or totals.checksum < 0 or touched < 0:
        raise MalformedValue("a count is negative")
    return ControlQueryResult(
        totals,
        row.get_optional_text("DateLastAging"),
        row.get_optional_text("AgingBeginDateTime"),
        row.get_datetime("OfficeNow"),
        row.get_datetime("UtcNow"),
        DatabaseIdentity._make(map(row.get_integer, _IDENTITY)),
        touched,
    )


def _parse_group(row: Row, packing: Packing) -> tuple[int, int, Mapping[int, str | None]]:
    count = row.get_integer("N")
    if count < 0:
        raise MalformedValue("the count of a group is negative")
    columns: dict[int, str | None] = {}
    for index, name in enumerate(_PACKED_COLUMN_NAMES[: packing.lanes]):
        text = row.cells.get(name, 0)
        if text is not None and not isinstance(text, str):
            raise MalformedValue(f"column {name} is {'not a string' if name in row.cells else 'missing'}")
        columns[index] = text
    return row.get_integer("G"), count, columns


def _parse_balances(texts: Sequence[str]) -> list[Balance]:
    balances = parse_balance_text(ROW_SEPARATOR.join(texts))
    if len(balances) != len(texts):
        raise MalformedValue("a row does not hold nine integers")
    # Pages are stored before they are verified, and no database stores larger integers.
    if any(min(balance) < INTEGER_MIN or max(balance) > INTEGER_MAX for balance in balances):
        raise MalformedValue("a row holds a number of more than 64 bits")
    return balances


def _parse_report_row(row: _RawReportRow) -> ReportRow:
    amounts = (getattr(row, name) for name in _REPORT_AMOUNTS)
    return ReportRow(row.PatNum, *map(_to_cents, amounts))


def _to_cents(dollars: float) -> int:
    """Round as the office's server rounds a double: half a cent goes to the even cent."""
    if not abs(dollars) <= _DOLLARS_MAX:
        raise MalformedValue("an amount of the report is out of range")
    return round(dollars * 100)
