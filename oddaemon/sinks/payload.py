"""What a delivery carries, in one shape for every sink, and how a sink says no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from oddaemon.core.delivery import Refusal
from oddaemon.core.diff import Changes
from oddaemon.core.model import Balance, Change, ControlTotals
from oddaemon.core.status import instant, money
from oddaemon.core.untold import ALL_TOLD, Untold, as_shown
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, CHANGE_COLUMNS, Columns, Row, change_row


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """A published snapshot without its balances."""

    id: int
    aging_date: date
    observed_at: datetime
    published_at: datetime
    totals: ControlTotals
    untold: Untold = ALL_TOLD
    """What is 0 in its balances as its reader does not tell it."""

    def told(self) -> Mapping[str, object]:
        """The same, ready for JSON."""
        sums = self.totals._asdict()
        del sums["checksum"]
        sums |= dict.fromkeys(self.untold & sums.keys())
        guarantors = sums.pop("guarantors")
        return {
            "id": self.id,
            "aging_date": self.aging_date.isoformat(),
            "observed_at": instant(self.observed_at),
            "published_at": instant(self.published_at),
            "guarantors": guarantors,
            "totals": {name: None if cents is None else money(cents) for name, cents in sums.items()},
        }


@dataclass(frozen=True, slots=True)
class Base:
    """The snapshot that changes start from."""

    id: int
    aging_date: date


@dataclass(frozen=True, slots=True)
class Payload:
    """One snapshot of one office, whole or as changes."""

    office_id: str
    office_name: str
    snapshot: SnapshotHead
    balances: Sequence[Balance] = field(repr=False)
    """All of the snapshot, ordered by pat_num, as it is kept; `rows` has it as it is given to others."""
    changes: Changes | None = field(default=None, repr=False)
    """What differs from the snapshot that the consumer holds; None: that is not known, and the whole is sent."""
    base: Base | None = None
    """Where there are changes."""

    @property
    def content(self) -> str:
        """`changes` or `snapshot`: what the rows are."""
        return "snapshot" if self.changes is None else "changes"

    @property
    def columns(self) -> Columns:
        """What the rows hold."""
        return BALANCE_COLUMNS if self.changes is None else CHANGE_COLUMNS

    @property
    def shown(self) -> Sequence[Row]:
        """All balances, with None where the snapshot does not tell."""
        untold = self.snapshot.untold
        return [as_shown(each, untold) for each in self.balances] if untold else self.balances

    def rows(self) -> Sequence[Row]:
        """The balances, or the changes by pat_num."""
        if self.changes is None:
            return self.shown
        assert self.base is not None, "changes start from somewhere"
        return change_rows(self.changes, self.base.aging_date, self.snapshot.untold)

    def about(self, delivery_id: str) -> dict[str, object]:
        """What belongs to the rows, ready for JSON."""
        return {
            "delivery_id": delivery_id,
            "office": self.office_id,
            "office_name": self.office_name,
            "content": self.content,
            "base_snapshot": self.base and self.base.id,
            "snapshot": self.snapshot.told(),
        }


def change_rows(changes: Changes, last_seen: date, untold: Untold = ALL_TOLD) -> Sequence[Row]:
    """Rows of `CHANGE_COLUMNS`, by pat_num.

    Args:
        changes: what differs.
        last_seen: the last day that had those who are cleared.
        untold: what neither of the two snapshots tells.
    """

    def shown(balance: Balance) -> Row:
        return as_shown(balance, untold)

    rows = [change_row(Change.NEW, None, shown(balance), None) for balance in changes.new]
    rows += [change_row(Change.CHANGED, shown(earlier), shown(later), None) for earlier, later in changes.changed]
    rows += [change_row(Change.CLEARED, shown(balance), None, last_seen) for balance in changes.cleared]
    return sorted(rows, key=lambda row: int(row[1]))


class SinkRefused(Exception):  # noqa: N818 - it says what happened to the delivery
    """The sink has not taken a delivery, or not said so."""

    def __init__(self, what: str, *, retry_after_seconds: float | None = None, final: bool = False) -> None:
        """Arguments as of `Refusal`."""
        super().__init__(what)
        self.refusal = Refusal(what, retry_after_seconds, final)


class Sink(Protocol):
    """Where deliveries go."""

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Return once the consumer has it, durably; a second delivery of the same id must change nothing.

        Raises:
            SinkRefused: the consumer has not said so. It may have it all the same.
        """

    async def aclose(self) -> None:
        """Let go of connections."""
