"""Decodes the aging report, which alone comes in dollars and with patient names."""

from typing import Annotated

import msgspec

from oddaemon.core.snapshot.aging_report import ReportRow, has_inconsistent_row
from oddaemon.opendental.decode_values import INTEGER_MAX, INTEGER_MIN, MalformedValue, require_row_limit

_DOLLARS_MAX = 10**15
"""More than any guarantor owes, less than the limit of the database."""


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


def _parse_report_row(row: _RawReportRow) -> ReportRow:
    amounts = (getattr(row, name) for name in _REPORT_AMOUNTS)
    return ReportRow(row.PatNum, *map(_to_cents, amounts))


def _to_cents(dollars: float) -> int:
    """Round as the office's server rounds a double: half a cent goes to the even cent."""
    if not abs(dollars) <= _DOLLARS_MAX:
        raise MalformedValue("an amount of the report is out of range")
    return round(dollars * 100)
