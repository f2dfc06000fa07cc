"""JSON of the aging report to values of the core: unlike all else it comes in dollars, and with patients' names."""

from typing import Annotated

import msgspec

from oddaemon.core.report import ReportRow, misunderstood
from oddaemon.opendental.cells import INTEGER_MAX, INTEGER_MIN, MalformedError, require_few_rows

_DOLLARS_MAX = 10**15
"""Far more than anybody owes, far less than what no database could store."""


class _ReportRow(msgspec.Struct):
    """A row as it comes; the patient's name is not even decoded."""

    PatNum: Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]
    Bal_0_30: float
    Bal_31_60: float
    Bal_61_90: float
    BalOver90: float
    BalTotal: float
    InsWoEst: float
    InsPayEst: float
    PatientPortion: float


_REPORT = msgspec.json.Decoder(list[_ReportRow])
_REPORT_AMOUNTS = _ReportRow.__struct_fields__[1:]


def report_rows(body: bytes) -> list[ReportRow]:
    """The rows of one page of the aging report, in its order.

    Raises:
        MalformedError: They are not what the documentation says, or a guarantor stands there twice.
    """
    require_few_rows(body)
    try:
        found = [_report_row(row) for row in _REPORT.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # The decoder's words could hold a name or an amount of somebody's.
        raise MalformedError("the answer is not an aging report") from None
    if len({row.pat_num for row in found}) != len(found):
        raise MalformedError("a page of the report holds a guarantor twice")
    if misunderstood(found):
        raise MalformedError("a row of the report does not add up to its own patient portion")
    return found


def _report_row(row: _ReportRow) -> ReportRow:
    amounts = (getattr(row, name) for name in _REPORT_AMOUNTS)
    return ReportRow(row.PatNum, *map(_cents, amounts))


def _cents(dollars: float) -> int:
    """Rounded as the office's own server rounds a double: half a cent goes to the even one."""
    if not abs(dollars) <= _DOLLARS_MAX:
        raise MalformedError("an amount of the report is no amount")
    return round(dollars * 100)
