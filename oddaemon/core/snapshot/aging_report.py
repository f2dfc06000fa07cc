"""The vendor's aging report: the meaning of its rows, the end of its pages, and the comparison of two readings.

The report has no totals of its own, and the office computes the list again for each page. Therefore oddaemon reads the
report twice and accepts it only if both readings are equal row for row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from oddaemon.core.model import Balance, ControlTotals, Include
from oddaemon.core.snapshot.verify import ZERO_TOTALS, add_totals, compute_totals

ROUNDING_CENTS = 2
"""Old versions store three decimals: four amounts, each rounded, may not add up to the cent."""
MISSING_CLINIC_NUM = 0
MISSING_EST_BALANCE = 0
"""The report contains neither the clinic of a guarantor nor their own balance."""
PAGE_ROWS_MIN = 100
"""The smallest limit of a page that the API documents."""
SEARCH_GROWTH_FACTOR = 4
"""Each step of the search for the end multiplies the known rows by this; an uncertainty of a quarter is accepted."""


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
    """How far a report has been read. With several clinics it is one list per clinic, read one after another."""

    place: int = 0
    """The index of the list that is being read."""
    offset: int = 0
    """Rows of this list that have been read."""
    again: ControlTotals | None = None
    """Totals of the second reading so far; None during the first reading."""

    def advance(self, page: int, rows_max: int, lists: int, wanted: Sequence[Balance]) -> "ReportCursor":
        """The cursor after one more page.

        Args:
            page: The number of rows on the page.
            rows_max: The configured limit of rows per page. The server's may be another, so a list ends only with a
                page that is shorter than any limit, or longer than all before it: some servers send all the rest.
            lists: The number of lists.
            wanted: The selected balances of the page.
        """
        again = None if self.again is None else add_totals(self.again, compute_totals(wanted))
        is_rest = 0 < self.offset < page
        if page >= min(rows_max, PAGE_ROWS_MIN) and not is_rest:
            return ReportCursor(self.place, self.offset + page, again)
        if again is None and self.place + 1 == lists:
            return ReportCursor(again=ZERO_TOTALS)
        return ReportCursor(self.place + 1, 0, again)

    def is_complete(self, lists: int) -> bool:
        """Whether both readings are complete."""
        return self.again is not None and self.place == lists


def has_inconsistent_row(rows: Iterable[ReportRow]) -> bool:
    """Whether the patient portion of some row does not follow from its other columns: then we misread them."""
    return any(
        abs(row.bal_total - row.ins_wo_est - row.ins_pay_est - row.patient_portion) > ROUNDING_CENTS for row in rows
    )


def make_balances(rows: Iterable[ReportRow], include: Include, clinic_num: int | None) -> list[Balance]:
    """Make the balances of the selected rows.

    Args:
        rows: The rows in their order on the page.
        include: The selection.
        clinic_num: The requested clinic; None: the whole office, where the clinics of the guarantors are unknown.
    """
    clinic = MISSING_CLINIC_NUM if clinic_num is None else clinic_num
    return [balance for balance in (_make_balance(row, clinic) for row in rows) if _is_wanted(balance, include)]


def count_report_requests(guarantors: int, rows_max: int) -> int:
    """Count the requests for two readings of this number of guarantors; the end of the list may need its own page."""
    return 2 * (guarantors // rows_max + 1)


class ReportLength(NamedTuple):
    """The number of rows of a report, as far as it is known from single pages."""

    at_least: int = 0
    at_most: int | None = None
    """None: no page has shown the end yet."""

    def refine(self, offset: int, page: int, rows_max: int) -> "ReportLength":
        """Narrow the length by a page with this number of rows, requested at `offset`."""
        if page >= min(rows_max, PAGE_ROWS_MIN):
            return ReportLength(max(self.at_least, offset + page), self.at_most)
        if page:
            return ReportLength(offset + page, offset + page)
        return ReportLength(self.at_least, offset)

    def get_next_offset(self, rows_max: int) -> int | None:
        """The offset of the most informative page; None: the length is known well enough for a plan."""
        if self.at_most is None:
            return self.at_least * SEARCH_GROWTH_FACTOR
        between = self.at_most - self.at_least
        if between * SEARCH_GROWTH_FACTOR <= self.at_least or not between:
            return None
        return self.at_least + between // 2 // rows_max * rows_max


def combine_lengths(lengths: Sequence[ReportLength], lists: int) -> ReportLength:
    """The total length of this number of lists, from the lengths of those that were checked."""
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
