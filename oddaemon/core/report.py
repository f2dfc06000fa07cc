"""The vendor's aging report: what its rows mean, when its pages end, and what two readings of it must agree on.

The report has no totals of its own, and its pages are cut by a position in a list that is made anew each time. So it is
read twice, and what it says is believed when both readings are the same row for row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oddaemon.core.model import Balance, ControlTotals, Include
from oddaemon.core.verify import totals_of

ROUNDING_CENTS = 2
"""Old versions store three decimals: four amounts rounded by themselves need not add up to the cent."""
CLINIC_UNTOLD = 0
EST_BALANCE_UNTOLD = 0
"""The report tells neither a guarantor's clinic nor their own balance."""
NOTHING = totals_of(())
LOOK_FURTHER = 4
"""Each look for a report's end is so many times as far as the rows that are known; a quarter of them is near enough."""


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
class Progress:
    """How far a report has been read. One of several clinics is a list for each, one after another."""

    place: int = 0
    """Which list is being read."""
    offset: int = 0
    """Rows that it has brought."""
    again: ControlTotals | None = None
    """Totals of the second reading so far; None: the first one is under way."""

    def after(self, page: int, rows_max: int, lists: int, wanted: Sequence[Balance]) -> "Progress":
        """How far it is read after a page.

        Args:
            page: Rows that it brought.
            rows_max: The API's cap: a page of another size is a list's last one, a short one as well as one of a
                server that sends all that is left.
            lists: How many lists there are.
            wanted: Those of its rows that are.
        """
        again = None if self.again is None else added(self.again, wanted)
        if page == rows_max:
            return Progress(self.place, self.offset + page, again)
        if again is None and self.place + 1 == lists:
            return Progress(again=NOTHING)
        return Progress(self.place + 1, 0, again)

    def is_whole(self, lists: int) -> bool:
        """Whether both readings are done."""
        return self.again is not None and self.place == lists


@dataclass(frozen=True, slots=True)
class Reported:
    """A day's balances, proved."""

    balances: tuple[Balance, ...] = field(repr=False)
    """Ordered by pat_num."""
    totals: ControlTotals
    """What the balances add up to: of a report, its second reading's."""


def misunderstood(rows: Iterable[ReportRow]) -> bool:
    """Whether some row's columns do not mean what we take them for: its patient portion must follow from the others."""
    return any(
        abs(row.bal_total - row.ins_wo_est - row.ins_pay_est - row.patient_portion) > ROUNDING_CENTS for row in rows
    )


def balances_of(rows: Iterable[ReportRow], include: Include, clinic_num: int | None) -> list[Balance]:
    """The rows that are wanted, as balances.

    Args:
        rows: As they came.
        include: Which are wanted.
        clinic_num: The clinic that was asked for; None: the whole office, so that no guarantor's clinic is told.
    """
    clinic = CLINIC_UNTOLD if clinic_num is None else clinic_num
    return [balance for balance in (_balance(row, clinic) for row in rows) if _is_wanted(balance, include)]


def added(totals: ControlTotals, balances: Sequence[Balance]) -> ControlTotals:
    """The totals with these balances in them."""
    return ControlTotals._make(one + more for one, more in zip(totals, totals_of(balances), strict=True))


def pages_of(guarantors: int, rows_max: int) -> int:
    """How many requests two readings of so many guarantors take; the end of the list may be a page of its own."""
    return 2 * (guarantors // rows_max + 1)


class Length(NamedTuple):
    """How many rows a report has, as far as single pages of it have told."""

    at_least: int = 0
    at_most: int | None = None
    """None: no page has been past the end yet."""

    def after(self, offset: int, page: int, rows_max: int) -> "Length":
        """What is known after a page of so many rows, which were asked for from an offset on."""
        if page == rows_max:
            return Length(max(self.at_least, offset + page), self.at_most)
        if page:
            return Length(offset + page, offset + page)
        return Length(self.at_least, offset)

    def next_look(self, rows_max: int) -> int | None:
        """The offset of the page that tells most; None: it is known well enough to plan with."""
        if self.at_most is None:
            return self.at_least * LOOK_FURTHER
        between = self.at_most - self.at_least
        if between * LOOK_FURTHER <= self.at_least or not between:
            return None
        return self.at_least + between // 2 // rows_max * rows_max


def together(lengths: Sequence[Length], lists: int) -> Length:
    """The length of so many lists, of which these have been looked at."""
    ends = [length.at_most for length in lengths if length.at_most is not None]
    return Length(sum(length.at_least for length in lengths), sum(ends) if len(ends) == lists else None)


def _balance(row: ReportRow, clinic_num: int) -> Balance:
    return Balance(
        pat_num=row.pat_num,
        clinic_num=clinic_num,
        est_balance=EST_BALANCE_UNTOLD,
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
