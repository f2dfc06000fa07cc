"""Checks whether a verified snapshot is plausible, compared with the office's own last one.

Verification shows that a snapshot equals the office's table. It cannot show that the table is right: before 22.2 an
aging run could zero every balance, a key may be moved to another office, a server may be restored from a backup. An
implausible snapshot is held, read a second time, and published if it is confirmed: it must never be lost.
"""

from datetime import date
from zlib import crc32

from oddaemon.core.model import ControlQueryResult, DatabaseIdentity, Plausibility, SnapshotSummary

EMPTIED_MIN = 5
"""Fewer guarantors may all pay on one day."""
TOUCHED_MIN = 5
TOUCHED_SHARE_MIN = 0.05
"""Fewer rows that were written without a changed balance may be, for example, new telephone numbers."""


def summarize_snapshot(aging_date: date, control: ControlQueryResult) -> SnapshotSummary:
    """Summarize the snapshot of this aging that was verified with this control."""
    totals = control.totals
    aged = totals.bal_0_30 + totals.bal_31_60 + totals.bal_61_90 + totals.bal_over_90
    return SnapshotSummary(aging_date, control.office_now, totals.guarantors, aged, totals.bal_total, totals.checksum)


def find_implausibility(last: SnapshotSummary, new: SnapshotSummary, touched: int, limits: Plausibility) -> str | None:
    """Why a snapshot is implausible, as a clause without amounts; None: it is plausible.

    Args:
        last: The last published snapshot.
        new: The snapshot to check.
        touched: Guarantors whose row was written since the last snapshot.
        limits: The limits of plausible changes.
    """
    if last.guarantors >= EMPTIED_MIN and (last.aged or last.bal_total) and not (new.aged or new.bal_total):
        emptied = "no guarantor has a balance" if not new.guarantors else "every guarantor's balance is zero"
        return f"{emptied}, but {last.guarantors} guarantors had one on {last.aging_date}"
    days = max(1, abs((new.aging_date - last.aging_date).days))
    change = _compute_change(last, new)
    if last.guarantors >= limits.guarantors_min and change > limits.max_change * days:
        return f"the office's total changed by {min(change, 99.99):.0%} since {last.aging_date}"
    is_unchanged = (last.guarantors, last.checksum) == (new.guarantors, new.checksum)
    is_touched = touched >= max(TOUCHED_MIN, TOUCHED_SHARE_MIN * new.guarantors)
    if is_unchanged and is_touched and new.aging_date > last.aging_date:
        return f"the balances equal those of {last.aging_date} to the cent, although {touched} rows were written since"
    return None


def is_confirmed(held: SnapshotSummary, new: SnapshotSummary, limits: Plausibility) -> bool:
    """Whether a second reading confirms the first one."""
    return _compute_change(held, new) <= limits.max_change


def is_other_database(known: DatabaseIdentity, observed: DatabaseIdentity) -> bool:
    """Whether it is another database: a practice may change its name or its telephone number, but not all at once."""
    comparable = [(one, other) for one, other in zip(known, observed, strict=True) if one and other]
    differing = sum(one != other for one, other in comparable)
    return differing > 1 or 0 < differing == len(comparable)


def identify_by_title(title: str) -> DatabaseIdentity | None:
    """Identify a database by the practice's title alone; None: its bytes depend on the character set."""
    title = title.strip(" ")
    return DatabaseIdentity(crc32(title.encode()), 0, 0) if title and title.isascii() else None


def merge_identity(known: DatabaseIdentity | None, observed: DatabaseIdentity) -> DatabaseIdentity:
    """Merge the known identity with the one just observed; parts that are not set any more are kept."""
    return DatabaseIdentity._make(
        new or old for old, new in zip(known or DatabaseIdentity(0, 0, 0), observed, strict=True)
    )


def _compute_change(last: SnapshotSummary, new: SnapshotSummary) -> float:
    """The share by which an office's larger total changed."""
    base = max(last.aged, abs(last.bal_total))
    change = max(abs(new.aged - last.aged), abs(new.bal_total - last.bal_total))
    return change / base if base else float(bool(change))
