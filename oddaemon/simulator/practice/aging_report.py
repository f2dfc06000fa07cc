"""The aging report of any day, made from the ledgers for each request and ordered by name.

It contains no entries dated after the day, so its BalTotal differs from the table's if entries are post-dated. The
vendor does not say whether the insurance estimates of a past day are those of the claims pending now or then, nor
whether families with a credit are included: both are possible here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Literal, NamedTuple

from oddaemon.simulator.model.balances import TrueBalance, to_cents, to_stored_double
from oddaemon.simulator.model.ledger import Family, compute_aged_row

WRITE_OFF_SHARE = 4
"""Of this number of parts of a pending amount, one is a write-off and the rest a payment."""
MILLS_PER_CENT = 10


class ReportLine(NamedTuple):
    """One guarantor of the report; amounts in mills."""

    pat_num: int
    clinic_num: int
    name: str
    buckets: tuple[int, int, int, int]
    bal_total: int
    write_off: int
    ins_pay: int

    def to_row(self) -> dict[str, object]:
        """The row of `GET /reports/Aging`."""
        names = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90")
        return {
            "PatNum": self.pat_num,
            "patName": self.name,
            **dict(zip(names, map(to_stored_double, self.buckets), strict=True)),
            "BalTotal": to_stored_double(self.bal_total),
            "InsWoEst": to_stored_double(self.write_off),
            "InsPayEst": to_stored_double(self.ins_pay),
            "PatientPortion": to_stored_double(self.bal_total - self.write_off - self.ins_pay),
        }

    def to_true_balance(self, *, with_clinic: bool) -> TrueBalance:
        """The balance that a correct reader makes of it: no EstBalance, and a clinic only if the request named one."""
        ins_est = to_cents(self.write_off) + to_cents(self.ins_pay)
        amounts = (0, *map(to_cents, self.buckets), ins_est, to_cents(self.bal_total))
        return TrueBalance(self.pat_num, self.clinic_num if with_clinic else 0, *amounts)


def build_report(
    families: Iterable[Family],
    as_of: date,
    clinics: Sequence[int] = (),
    *,
    claims: Literal["now", "then"] = "now",
    with_credits: bool = True,
) -> list[ReportLine]:
    """Make the report of a day, ordered by name, without guarantors whose amounts are all zero.

    Args:
        families: All families of the office.
        as_of: The day.
        clinics: Only families of these clinics; empty: all.
        claims: Whether the insurance estimates are those of the claims pending now or on the day.
        with_credits: Whether families with a credit, or with insurance alone, are included.
    """
    lines = (
        _build_line(family, as_of.toordinal(), claims)
        for family in families
        if not clinics or family.clinic_num in clinics
    )
    included = (line for line in lines if _is_included(line, with_credits=with_credits))
    return sorted(included, key=lambda line: (line.name, line.pat_num))


def _is_included(line: ReportLine, *, with_credits: bool) -> bool:
    if with_credits:
        return any((*line.buckets, line.bal_total, line.write_off, line.ins_pay))
    return any(line.buckets) and line.bal_total > 0


def _build_line(family: Family, day: int, claims: Literal["now", "then"]) -> ReportLine:
    pending_mills = family.ins_est_mills if claims == "now" else family.get_claims_of(day)
    entries = [entry for entry in family.entries if entry.day <= day]
    family_then = replace(family, entries=entries, ins_est_mills=pending_mills)
    money = compute_aged_row(family_then, day).money
    write_off = money.ins_est // WRITE_OFF_SHARE // MILLS_PER_CENT * MILLS_PER_CENT
    return ReportLine(
        pat_num=family.guarantor,
        clinic_num=family.clinic_num,
        name=f"{family.last_name}, {chr(ord('A') + family.guarantor % 26)}.",
        buckets=(money.bal_0_30, money.bal_31_60, money.bal_61_90, money.bal_over_90),
        bal_total=money.bal_total,
        write_off=write_off,
        ins_pay=money.ins_est - write_off,
    )
