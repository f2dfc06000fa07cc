"""The vendor's aging report: what its rows mean, when its pages end, and what two readings of it must agree on.

The report has no totals of its own, and each page is cut from a list that the office computes again. So it is read
twice, and accepted when both readings are equal row for row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oddaemon.core.model import Balance, ControlTotals, Include
from oddaemon.core.snapshot.verify import compute_totals

ROUNDING_CENTS = 2
"""Old versions store three decimals: four amounts rounded by themselves need not add up to the cent."""
MISSING_CLINIC_NUM = 0
MISSING_EST_BALANCE = 0
"""The report has neither a guarantor's clinic nor their own balance."""
ZERO_TOTALS = compute_totals(())
SEARCH_GROWTH_FACTOR = 4
"""Each search for the end of a report goes this many times as far as the known rows; a quarter is close enough."""


class ReportRow(NamedTuple):
    """One guarantor of the report; money is cents."""

    pat_num: int
    bal_0_30: int
    bal_31_60: int
    bal_61_90: int
    bal_over_90: int
    bal_total: int
    ins_wo_est: int
    ins_pay_est: int
    patient_portion: int


@dataclass(frozen=True, slots=True)
class ReportCursor:
    """How far a report has been read. One of several clinics is a list for each, one after another."""

    place: int = 0
    """Which list is being read."""
    offset: int = 0
    """Rows that it has brought."""
    again: ControlTotals | None = None
    """Totals of the second reading so far; None: the first one is under way."""

    def advance(self, page: int, rows_max: int, lists: int, wanted: Sequence[Balance]) -> "ReportCursor":
        """How far it is read after a page.

        Args:
            page: Rows that it brought.
            rows_max: The API's cap: a page of another size is a list's last one, a short one as well as one of a
                server that sends all that is left.
            lists: How many lists there are.
            wanted: Those of its rows that are.
        """
        again = None if self.again is None else add_totals(self.again, wanted)
        if page == rows_max:
            return ReportCursor(self.place, self.offset + page, again)
        if again is None and self.place + 1 == lists:
            return ReportCursor(again=ZERO_TOTALS)
        return ReportCursor(self.place + 1, 0, again)

    def is_complete(self, lists: int) -> bool:
        """Whether both readings are done."""
        return self.again is not None and self.place == lists


@dataclass(frozen=True, slots=True)
class ReportResult:
    """A day's balances, proved."""

    balances: Mapping[int, Balance] = field(repr=False)
    """By pat_num, in ascending order."""
    totals: ControlTotals
    """What the balances add up to: of a report, its second reading's."""


def has_inconsistent_row(rows: Iterable[ReportRow]) -> bool:
    """Whether some row's columns do not mean what we take them for: its patient portion must follow from the others."""
    return any(
        abs(row.bal_total - row.ins_wo_est - row.ins_pay_est - row.patient_portion) > ROUNDING_CENTS for row in rows
    )


def make_balances(rows: Iterable[ReportRow], include: Include, clinic_num: int | None) -> list[Balance]:
    """The rows that are wanted, as balances.

    Args:
        rows: As they came.
        include: Which are wanted.
        clinic_num: The requested clinic; None: the whole office, so that the guarantors' clinics are unknown.
    """
    clinic = MISSING_CLINIC_NUM if clinic_num is None else clinic_num
    return [balance for balance in (_make_balance(row, clinic) for row in rows) if _is_wanted(balance, include)]


def add_totals(totals: ControlTotals, balances: Sequence[Balance]) -> ControlTotals:
    """The totals with these balances in them."""
    return ControlTotals._make(one + more for one, more in zip(totals, compute_totals(balances), strict=True))


def count_report_requests(guarantors: int, rows_max: int) -> int:
    """Count the requests of two readings of this many guarantors; the end of the list may be a page of its own."""
    return 2 * (guarantors // rows_max + 1)


class ReportLength(NamedTuple):
    """How many rows a report has, as far as single pages of it show."""

    at_least: int = 0
    at_most: int | None = None
    """None: no page has been past the end yet."""

    def refine(self, offset: int, page: int, rows_max: int) -> "ReportLength":
        """What is known after a page with this many rows, which was requested from an offset on."""
        if page == rows_max:
            return ReportLength(max(self.at_least, offset + page), self.at_most)
        if page:
            return ReportLength(offset + page, offset + page)
        return ReportLength(self.at_least, offset)

    def get_next_offset(self, rows_max: int) -> int | None:
        """The offset of the page that shows most; None: the length is known well enough for a plan."""
        if self.at_most is None:
            return self.at_least * SEARCH_GROWTH_FACTOR
        between = self.at_most - self.at_least
        if between * SEARCH_GROWTH_FACTOR <= self.at_least or not between:
            return None
        return self.at_least + between // 2 // rows_max * rows_max


def combine_lengths(lengths: Sequence[ReportLength], lists: int) -> ReportLength:
    """The length of this many lists, of which these were checked."""
    ends = [length.at_most for length in lengths if length.at_most is not None]
    return ReportLength(sum(length.at_least for length in lengths), sum(ends) if len(ends) == lists else None)


def _make_balance(row: ReportRow, clinic_num: int) -> Balance:
    return Balance(
        pat_num=row.pat_num,
        clinic_num=clinic_num,
        est_balance=MISSING_EST_BALANCE,
        bal_0_30=row.bal_0_30,
        bal_31_60=row.bal_31_60,
        bal_61_90=row.bal_61_90,
        bal_over_90=row.bal_over_90,
        ins_est=row.ins_wo_est + row.ins_pay_est,
        bal_total=row.bal_total,
    )


def _is_wanted(balance: Balance, include: Include) -> bool:
    if include is Include.ALL:
        return any(balance[2:])
    return any(cents > 0 for cents in balance[2:])
