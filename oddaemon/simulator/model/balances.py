"""A guarantor's seven money columns: the values stored in the office's table, and the true values."""

from collections.abc import Container, Iterable
from math import copysign
from typing import Literal, NamedTuple

Include = Literal["debts", "all"]

MILLS_PER_DOLLAR = 1000  # old versions store three decimals, so the ledger counts in thousandths


class Money(NamedTuple):
    """The seven money columns of table `patient`, in mills (thousandths), in the documented order."""

    est_balance: int = 0
    bal_0_30: int = 0
    bal_31_60: int = 0
    bal_61_90: int = 0
    bal_over_90: int = 0
    ins_est: int = 0
    bal_total: int = 0


class StoredBalance(NamedTuple):
    """One guarantor row of the table at some instant."""

    pat_num: int
    clinic_num: int
    money: Money


class TrueBalance(NamedTuple):
    """One guarantor row as a correct reader must see it: integer cents, rounded half away from zero."""

    pat_num: int
    clinic_num: int
    est_balance: int
    bal_0_30: int
    bal_31_60: int
    bal_61_90: int
    bal_over_90: int
    ins_est: int
    bal_total: int


def to_stored_double(mills: int) -> float:
    """The double that the table stores for this amount."""
    return mills / MILLS_PER_DOLLAR


def round_half_even(number: float) -> float:
    """`ROUND(number)` of a double as in MariaDB: the result is a double, ties go to even, and `-0.3` gives `-0`."""
    return copysign(float(round(abs(number))), number)


def to_cents(mills: int) -> int:
    """The result of `ROUND(column * 100)` for the stored double."""
    return int(round_half_even(to_stored_double(mills) * 100))


def to_true_balance(row: StoredBalance) -> TrueBalance:
    """The row in cents."""
    return TrueBalance(row.pat_num, row.clinic_num, *map(to_cents, row.money))


def is_selected(row: StoredBalance, include: Include, clinics: Container[int]) -> bool:
    """Whether the balance query shows this row.

    Args:
        row: A guarantor row.
        include: `debts` is the documented filter (`> 0` on the seven columns), `all` is `<> 0` on the same.
        clinics: The requested ClinicNums; empty means no clinic filter.
    """
    if clinics and row.clinic_num not in clinics:
        return False
    return any(row.money) if include == "all" else max(row.money) > 0


def select_balances(rows: Iterable[StoredBalance], include: Include, clinics: Container[int]) -> list[TrueBalance]:
    """The rows that the balance query shows, in cents, ordered by PatNum."""
    return sorted(to_true_balance(row) for row in rows if is_selected(row, include, clinics))
