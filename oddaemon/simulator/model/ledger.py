"""A family's ledger and its aging: the oracle that every snapshot is compared with.

Amounts are mills (thousandths of a dollar), dates are proleptic ordinals. This module contains no SQL. The database and
this oracle must agree because both follow from the same entries, not because one copies the other.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from oddaemon.simulator.model.balances import Money, StoredBalance

BUCKET_DAYS_MAX = (30, 60, 90)  # last day of Bal_0_30, Bal_31_60, Bal_61_90; anything older is BalOver90


class Entry(NamedTuple):
    """One line of a ledger: a charge when positive, a payment or adjustment when negative."""

    day: int
    mills: int
    pat_num: int


class ClosedClaims(NamedTuple):
    """Claims that were pending from one day until just before another."""

    opened: int
    closed: int
    mills: int


@dataclass(slots=True)
class Family:
    """A guarantor, their dependents, and all entries so far.

    `row` is the guarantor's present row in the office's table. It is older than the entries until the family is aged
    or a user opens the account. `est_balance_mills` is the guarantor's own balance when a user last opened the
    account.
    """

    guarantor: int
    dependents: tuple[int, ...]
    clinic_num: int
    last_name: str
    row: StoredBalance
    entries: list[Entry] = field(default_factory=list)
    ins_est_mills: int = 0
    est_balance_mills: int = 0
    claims_opened: int = 0
    """Ordinal of the day on which the pending claims were made; 0: before the world began."""
    closed_claims: list[ClosedClaims] = field(default_factory=list)

    def set_claims(self, mills: int, day: int) -> None:
        """Close the pending claims, and make others; 0 for none."""
        if self.ins_est_mills:
            self.closed_claims.append(ClosedClaims(self.claims_opened, day, self.ins_est_mills))
        self.ins_est_mills, self.claims_opened = mills, day

    def get_claims_of(self, day: int) -> int:
        """What was pending on a day, in mills."""
        present = self.ins_est_mills if self.claims_opened <= day else 0
        return present + sum(each.mills for each in self.closed_claims if each.opened <= day < each.closed)

    @property
    def members(self) -> tuple[int, ...]:
        """PatNums of the family, guarantor first."""
        return (self.guarantor, *self.dependents)

    @property
    def owed_mills(self) -> int:
        """The sum of all entries, including future-dated ones."""
        return sum(entry.mills for entry in self.entries)


def compute_aged_row(family: Family, aging_day: int) -> StoredBalance:
    """The guarantor's row after aging as of a day. Aging does not change EstBalance.

    Charges dated after the day are in no bucket, payments dated after it pay nothing yet, and both are in BalTotal.
    """
    charges: list[Entry] = []
    paid_mills = total_mills = 0
    for entry in family.entries:
        total_mills += entry.mills
        if entry.day > aging_day:
            continue
        if entry.mills > 0:
            charges.append(entry)
        else:
            paid_mills -= entry.mills
    charges.sort()
    buckets = [0] * (len(BUCKET_DAYS_MAX) + 1)
    for day, mills, _ in charges:
        covered_mills = min(mills, paid_mills)
        paid_mills -= covered_mills
        buckets[bisect_left(BUCKET_DAYS_MAX, aging_day - day)] += mills - covered_mills
    money = Money._make((family.est_balance_mills, *buckets, family.ins_est_mills, total_mills))
    return StoredBalance(family.guarantor, family.clinic_num, money)


def recalculate(family: Family, aging_day: int) -> StoredBalance:
    """The row after a user opened the account: aged, with the guarantor's present EstBalance."""
    family.est_balance_mills = sum_own_mills(family)
    return compute_aged_row(family, aging_day)


def sum_own_mills(family: Family) -> int:
    """The guarantor's own balance, without the dependents'."""
    return sum(entry.mills for entry in family.entries if entry.pat_num == family.guarantor)


def settle(family: Family, day: int) -> None:
    """Bring each member's account to zero by a payment or a refund, and close the claims.

    Post-dated entries become due now; otherwise some columns would not be zero.
    """
    family.entries = [entry._replace(day=min(entry.day, day)) for entry in family.entries]
    by_patient = attrgetter("pat_num")
    for pat_num, entries in groupby(sorted(family.entries, key=by_patient), key=by_patient):
        if balance_mills := sum(entry.mills for entry in entries):
            family.entries.append(Entry(day, -balance_mills, pat_num))
    family.set_claims(0, day)
    family.est_balance_mills = 0
