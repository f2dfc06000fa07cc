"""The aging report of any day: made anew from the ledgers each time it is asked for, ordered by name.

Entries dated after the day are not in it, so its BalTotal differs from the table's where something is post-dated. What
is pending at the insurance is known for now only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from oddaemon.simulator.balances import TrueBalance, cents, stored_double
from oddaemon.simulator.ledger import Family, aged

WRITE_OFF_SHARE = 4
"""One part in so many of what is pending is a write-off, the rest a payment."""
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

    def row(self) -> dict[str, object]:
        """As `GET /reports/Aging` gives it."""
        names = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90")
        return {
            "PatNum": self.pat_num,
            "patName": self.name,
            **dict(zip(names, map(stored_double, self.buckets), strict=True)),
            "BalTotal": stored_double(self.bal_total),
            "InsWoEst": stored_double(self.write_off),
            "InsPayEst": stored_double(self.ins_pay),
            "PatientPortion": stored_double(self.bal_total - self.write_off - self.ins_pay),
        }

    def truth(self, *, with_clinic: bool) -> TrueBalance:
        """What a correct reader makes of it: no EstBalance is told, and a clinic only to whoever asks for it."""
        ins_est = cents(self.write_off) + cents(self.ins_pay)
        amounts = (0, *map(cents, self.buckets), ins_est, cents(self.bal_total))
        return TrueBalance(self.pat_num, self.clinic_num if with_clinic else 0, *amounts)


def report_lines(families: Iterable[Family], as_of: date, clinics: Sequence[int] = ()) -> list[ReportLine]:
    """The report of a day, ordered by name; guarantors without any amount are not in it.

    Args:
        families: All of the office.
        as_of: The day.
        clinics: Of these clinics only; empty: of all.
    """
    lines = (_line(family, as_of.toordinal()) for family in families if not clinics or family.clinic_num in clinics)
    wanted = (line for line in lines if any((*line.buckets, line.bal_total, line.write_off, line.ins_pay)))
    return sorted(wanted, key=lambda line: (line.name, line.pat_num))


def _line(family: Family, day: int) -> ReportLine:
    until_then = replace(family, entries=[entry for entry in family.entries if entry.day <= day])
    money = aged(until_then, day).money
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
