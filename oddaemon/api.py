"""What oddaemon knows, for Python programs: read-only, typed, beside a running daemon or without one.

    >>> from datetime import date
    >>> from oddaemon.api import open_database
    >>> with open_database("oddaemon.db") as fleet:
    ...     for office in fleet.offices():
    ...         if office.is_wanted:
    ...             print(office.id, fleet.snapshot(office.id).bal_total)
    bright-smiles 120.00
    hill-street 3.00

Today's balances, those of any past day, and what changed between two:

    >>> with open_database("oddaemon.db") as fleet:
    ...     today = {balance.pat_num: balance.bal_total for balance in fleet.balances("bright-smiles")}
    ...     then = sum(balance.bal_over_90 for balance in fleet.balances("bright-smiles", date(2026, 3, 2)))
    ...     for change in fleet.changes("bright-smiles", since=date(2026, 3, 3)):
    ...         print(change.kind, change.pat_num, change.last_seen)
    cleared 12 2026-03-03
    changed 14 None
    >>> today
    {11: Decimal('100.00'), 14: Decimal('20.00')}

Money is `Decimal` with two places, dates are `date`, instants aware `datetime` in UTC. Balances and changes are read as
they are asked for, ordered by pat_num, so a whole office need not fit into memory; ask for them within the `with`. What
is wrong raises an `OddaemonError` that says what happened and what to do: `OfficeUnknown` and `SnapshotMissing` among
them.

What this module exports is kept stable; everything else of the package may change. What it gives is patient data.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from oddaemon.core import model
from oddaemon.core.diff import Difference
from oddaemon.core.model import Change as ChangeKind
from oddaemon.core.untold import Untold
from oddaemon.store.archive import Archive, ArchivedOffice, Moved, OfficeUnknown
from oddaemon.store.errors import StoreError as OddaemonError
from oddaemon.store.location import database_path
from oddaemon.store.picture import Picture, SnapshotMissing, Source, before, chosen, source_of, sums_of
from oddaemon.store.snapshot_row import SnapshotRow

__all__ = [
    "Balance",
    "Change",
    "ChangeKind",
    "Fleet",
    "Night",
    "OddaemonError",
    "Office",
    "OfficeUnknown",
    "Snapshot",
    "SnapshotMissing",
    "Source",
    "open_database",
]

AsOf = date | int | None
"""An aging date, of which the last snapshot published is meant, or the day's balances as they were read afterwards; a
snapshot's id; None: the latest snapshot."""


@dataclass(frozen=True, slots=True)
class Office:
    """One office that the database knows."""

    id: str
    name: str
    is_wanted: bool
    """False: no longer configured; its data is kept."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All guarantor balances of one office for one aging run, or as of one past day, summed up."""

    id: int | None
    """None: no snapshot, but a day that was backfilled."""
    office_id: str
    aging_date: date
    observed_at: datetime | None
    """The instant at which the office's own table held exactly these balances; None: it never did, as the day was over
    when they were read."""
    published_at: datetime
    guarantors: int
    est_balance: Decimal | None
    """None, here and in each balance: the vendor's report, or the query of a backfilled day, does not tell it."""
    bal_0_30: Decimal
    bal_31_60: Decimal
    bal_61_90: Decimal
    bal_over_90: Decimal
    ins_est: Decimal
    bal_total: Decimal
    new: int | None
    changed: int | None
    cleared: int | None
    """Guarantors that became so since the office's snapshot before; None: of a day that was backfilled."""
    source: Source = Source.NIGHT
    """`night` or `backfilled`."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What one family owes. Its repr shows nothing of that."""

    pat_num: int = field(repr=False)
    clinic_num: int | None = field(repr=False)
    """None: not told, as `est_balance` may be."""
    est_balance: Decimal | None = field(repr=False)
    bal_0_30: Decimal = field(repr=False)
    bal_31_60: Decimal = field(repr=False)
    bal_61_90: Decimal = field(repr=False)
    bal_over_90: Decimal = field(repr=False)
    ins_est: Decimal = field(repr=False)
    bal_total: Decimal = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one guarantor between two snapshots."""

    kind: ChangeKind
    """`new`, `changed` or `cleared`."""
    pat_num: int = field(repr=False)
    before: Balance | None
    """None: new."""
    after: Balance | None
    """None: cleared."""
    last_seen: date | None
    """Of one who is cleared: the aging date of the last snapshot that had them."""


@dataclass(frozen=True, slots=True)
class Night:
    """A snapshot, and how money moved between the buckets since the one before; see `oddaemon.core.rolling`."""

    snapshot: Snapshot
    charged: Decimal | None
    """None, here and below: the first that is kept."""
    settled: Decimal | None
    rolled_31_60: Decimal | None
    """From the bucket 0 to 30 days into this one."""
    rolled_61_90: Decimal | None
    rolled_over_90: Decimal | None
    roll_rate_31_60: float | None
    """As a share of what the bucket 0 to 30 days held before; None: it held nothing."""
    roll_rate_61_90: float | None
    roll_rate_over_90: float | None


@contextmanager
def open_database(path: Path | str) -> Iterator["Fleet"]:
    """Open a database that a daemon made, or a backup of one; nothing is ever written to it.

    Args:
        path: the file, or a SQLAlchemy URL of SQLite as `[state] database` has it.

    Raises:
        OddaemonError: there is none, or it cannot be read by this version.
    """
    with Archive.open(database_path(str(path))) as archive:
        yield Fleet(archive)


class Fleet:
    """An open database. Made by `open_database`; it belongs to the thread that made it."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def offices(self) -> list[Office]:
        """Every office of which something is known, ordered by id."""
        return [Office(each.id, each.name, each.is_wanted) for each in self._archive.offices()]

    def snapshots(self, office_id: str) -> list[Snapshot]:
        """What is kept of an office's published snapshots, oldest first, without the days that were backfilled.

        Raises:
            OfficeUnknown: there is no such office.
        """
        return [_snapshot(office_id, row) for row in self._archive.snapshots(self._archive.office(office_id))]

    def snapshot(self, office_id: str, as_of: AsOf = None) -> Snapshot:
        """One snapshot, or a day that was backfilled.

        Raises:
            OfficeUnknown: there is no such office.
            SnapshotMissing: there is none of that day or id; the text names the nearest.
        """
        return _snapshot(office_id, self._chosen(office_id, as_of)[1])

    def balances(self, office_id: str, as_of: AsOf = None) -> Iterator[Balance]:
        """The balances of one snapshot. Raises as `snapshot` does, at once; at the end, too, if it went meanwhile."""
        office, picture = self._chosen(office_id, as_of)
        untold = self._archive.untold(office, picture)
        return (_balance(each, untold) for batch in self._archive.balances(office, picture) for each in batch)

    def changes(self, office_id: str, since: AsOf = None, until: AsOf = None) -> Iterator[Change]:
        """What became of each guarantor between two snapshots or backfilled days.

        Args:
            office_id: whose.
            since: the earlier one; None: the one before `until`.
            until: the later one; None: the latest.

        Raises:
            OfficeUnknown: there is no such office.
            SnapshotMissing: one of the two is not there, or the first does not come before the second.
        """
        office = self._archive.office(office_id)
        pictures = self._archive.pictures(office)
        last = chosen(pictures, until, office_id)
        first = before(pictures, last) if since is None else chosen(pictures, since, office_id)
        if first is None or pictures.index(first) >= pictures.index(last):
            raise SnapshotMissing(
                f"{office_id} has no earlier snapshot to compare that of {last.aging_date} with.",
                f"`oddaemon history {office_id}` lists them all.",
            )
        untold = self._archive.untold(office, first), self._archive.untold(office, last)
        return (_change(each, *untold) for batch in self._archive.changes(office, first, last) for each in batch)

    def history(self, office_id: str) -> list[Night]:
        """Every snapshot and backfilled day that is kept, in order, with what moved since the one before in this list.

        Raises:
            OfficeUnknown: there is no such office.
        """
        office = self._archive.office(office_id)
        pictures = self._archive.pictures(office)
        moved = self._archive.movements(office, pictures)
        return [_night(_snapshot(office_id, each), since) for each, since in zip(pictures, moved, strict=True)]

    def _chosen(self, office_id: str, as_of: AsOf) -> tuple[ArchivedOffice, Picture]:
        office = self._archive.office(office_id)
        return office, chosen(self._archive.pictures(office), as_of, office_id)


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _snapshot(office_id: str, picture: Picture) -> Snapshot:
    totals = picture.totals
    told = Snapshot(
        id=None,
        office_id=office_id,
        aging_date=picture.aging_date,
        observed_at=None,
        published_at=picture.published_at,
        guarantors=totals.guarantors,
        est_balance=None if (cents := sums_of(picture)["est_balance"]) is None else _money(cents),
        bal_0_30=_money(totals.bal_0_30),
        bal_31_60=_money(totals.bal_31_60),
        bal_61_90=_money(totals.bal_61_90),
        bal_over_90=_money(totals.bal_over_90),
        ins_est=_money(totals.ins_est),
        bal_total=_money(totals.bal_total),
        new=None,
        changed=None,
        cleared=None,
        source=source_of(picture),
    )
    if not isinstance(picture, SnapshotRow):
        return told
    told = replace(told, id=picture.id, observed_at=picture.observed_at)
    return replace(told, new=picture.new, changed=picture.changed, cleared=picture.cleared)


def _night(snapshot: Snapshot, moved: Moved | None) -> Night:
    if moved is None:
        return Night(snapshot, *(None,) * 8)
    flow, rates = moved.flow, moved.rates
    return Night(
        snapshot=snapshot,
        charged=_money(flow.charged),
        settled=_money(flow.settled),
        rolled_31_60=_money(flow.rolled_31_60),
        rolled_61_90=_money(flow.rolled_61_90),
        rolled_over_90=_money(flow.rolled_over_90),
        roll_rate_31_60=rates.to_31_60,
        roll_rate_61_90=rates.to_61_90,
        roll_rate_over_90=rates.to_over_90,
    )


def _balance(balance: model.Balance, untold: Untold) -> Balance:
    own = None if "est_balance" in untold else _money(balance.est_balance)
    clinic = None if "clinic_num" in untold else balance.clinic_num
    return Balance(balance.pat_num, clinic, own, *map(_money, balance[3:]))


def _change(difference: Difference, untold_before: Untold, untold_after: Untold) -> Change:
    return Change(
        kind=difference.change,
        pat_num=difference.pat_num,
        before=None if difference.before is None else _balance(difference.before, untold_before),
        after=None if difference.after is None else _balance(difference.after, untold_after),
        last_seen=difference.last_seen,
    )
