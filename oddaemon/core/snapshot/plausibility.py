"""Whether a snapshot that adds up is also to be believed: against the office's own last one, and only against that.

Proof shows that what was read is what the office's table holds. It cannot show that the table is right: before 22.2 a
run of aging could zero every balance, a key may be moved to another office, a server may be restored from a backup.
What is doubted here is held, read a second time and published if it stays so: it must never be lost.
"""

from zlib import crc32

from oddaemon.core.model import ControlQueryResult, DatabaseIdentity, Plausibility, Snapshot, SnapshotSummary

EMPTIED_MIN = 5
"""Of fewer guarantors all may pay on one day."""
TOUCHED_MIN = 5
TOUCHED_SHARE_MIN = 0.05
"""So many rows written, and not one balance moved: fewer may be a new telephone number each."""


def summarize_snapshot(snapshot: Snapshot, control: ControlQueryResult) -> SnapshotSummary:
    """What is remembered of a snapshot that was proved by this control."""
    totals = control.totals
    aged = totals.bal_0_30 + totals.bal_31_60 + totals.bal_61_90 + totals.bal_over_90
    return SnapshotSummary(
        snapshot.aging_date, control.office_now, totals.guarantors, aged, totals.bal_total, totals.checksum
    )


def find_implausibility(last: SnapshotSummary, new: SnapshotSummary, touched: int, limits: Plausibility) -> str | None:
    """Why a snapshot is hard to believe, as a clause without amounts; None: it is believed.

    Args:
        last: The last published snapshot.
        new: The one to judge.
        touched: Guarantors whose row was written since the last one.
        limits: What is believed.
    """
    if last.guarantors >= EMPTIED_MIN and (last.aged or last.bal_total) and not (new.aged or new.bal_total):
        emptied = "no guarantor has a balance" if not new.guarantors else "every guarantor's balance is zero"
        return f"{emptied} where {last.guarantors} guarantors had one on {last.aging_date}"
    days = max(1, abs((new.aging_date - last.aging_date).days))
    change = _compute_change(last, new)
    if last.guarantors >= limits.guarantors_min and change > limits.max_change * days:
        return f"the office's total moved by {min(change, 99.99):.0%} since {last.aging_date}"
    is_unchanged = (last.guarantors, last.checksum) == (new.guarantors, new.checksum)
    is_touched = touched >= max(TOUCHED_MIN, TOUCHED_SHARE_MIN * new.guarantors)
    if is_unchanged and is_touched and new.aging_date > last.aging_date:
        return f"the balances are those of {last.aging_date} to the cent, although {touched} rows were written since"
    return None


def is_confirmed(held: SnapshotSummary, new: SnapshotSummary, limits: Plausibility) -> bool:
    """Whether a second reading says what the first one said."""
    return _compute_change(held, new) <= limits.max_change


def is_other_database(known: DatabaseIdentity, observed: DatabaseIdentity) -> bool:
    """Whether another database answers: a practice may change its name or its telephone number, but not all at once."""
    comparable = [(one, other) for one, other in zip(known, observed, strict=True) if one and other]
    differing = sum(one != other for one, other in comparable)
    return differing > 1 or 0 < differing == len(comparable)


def identify_by_title(title: str) -> DatabaseIdentity | None:
    """What a practice's title alone tells of its database. None: nothing, as character sets write it differently."""
    title = title.strip(" ")
    return DatabaseIdentity(crc32(title.encode()), 0, 0) if title and title.isascii() else None


def merge_identity(known: DatabaseIdentity | None, observed: DatabaseIdentity) -> DatabaseIdentity:
    """What is known of a database that has just answered as itself; what it does not say any more stays known."""
    return DatabaseIdentity._make(
        new or old for old, new in zip(known or DatabaseIdentity(0, 0, 0), observed, strict=True)
    )


def _compute_change(last: SnapshotSummary, new: SnapshotSummary) -> float:
    """By which share of the larger of its totals an office moved."""
    base = max(last.aged, abs(last.bal_total))
    change = max(abs(new.aged - last.aged), abs(new.bal_total - last.bal_total))
    return change / base if base else float(bool(change))
