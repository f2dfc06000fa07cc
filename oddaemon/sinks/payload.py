"""What a delivery carries, in one shape for every sink, and how a sink says no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from oddaemon.core.delivery import DeliveryFailure
from oddaemon.core.model import Balance, ChangeKind, ControlTotals
from oddaemon.core.reporting.status_document import format_instant, format_money
from oddaemon.core.snapshot.diff import SnapshotChanges
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, MissingColumns, mask_missing_columns
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, CHANGE_COLUMNS, Columns, Row, make_change_row


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """A published snapshot without its balances."""

    id: int
    aging_date: date
    observed_at: datetime
    published_at: datetime
    totals: ControlTotals
    missing_columns: MissingColumns = NONE_MISSING
    """What is 0 in its balances as its reader does not tell it."""

    def to_document(self) -> Mapping[str, object]:
        """The same, ready for JSON."""
        sums = self.totals._asdict()
        del sums["checksum"]
        sums |= dict.fromkeys(self.missing_columns & sums.keys())
        guarantors = sums.pop("guarantors")
        return {
            "id": self.id,
            "aging_date": self.aging_date.isoformat(),
            "observed_at": format_instant(self.observed_at),
            "published_at": format_instant(self.published_at),
            "guarantors": guarantors,
            "totals": {name: None if cents is None else format_money(cents) for name, cents in sums.items()},
        }


@dataclass(frozen=True, slots=True)
class DiffBase:
    """The snapshot that changes start from."""

    id: int
    aging_date: date


@dataclass(frozen=True, slots=True)
class Payload:
    """One snapshot of one office, whole or as changes."""

    office_id: str
    office_name: str
    snapshot: SnapshotHeader
    balances: Sequence[Balance] = field(repr=False)
    """All of the snapshot, ordered by pat_num, as it is kept; `rows` has it as it is given to others."""
    changes: SnapshotChanges | None = field(default=None, repr=False)
    """What differs from the snapshot that the consumer holds; None: that is not known, and the whole is sent."""
    base: DiffBase | None = None
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
    def visible_balances(self) -> Sequence[Row]:
        """All balances, with None where the snapshot does not tell."""
        missing_columns = self.snapshot.missing_columns
        return (
            [mask_missing_columns(each, missing_columns) for each in self.balances]
            if missing_columns
            else self.balances
        )

    def build_rows(self) -> Sequence[Row]:
        """The balances, or the changes by pat_num."""
        if self.changes is None:
            return self.visible_balances
        assert self.base is not None, "changes start from somewhere"
        return build_change_rows(self.changes, self.base.aging_date, self.snapshot.missing_columns)

    def build_metadata(self, delivery_id: str) -> dict[str, object]:
        """What belongs to the rows, ready for JSON."""
        return {
            "delivery_id": delivery_id,
            "office": self.office_id,
            "office_name": self.office_name,
            "content": self.content,
            "base_snapshot": self.base and self.base.id,
            "snapshot": self.snapshot.to_document(),
        }


def build_change_rows(
    changes: SnapshotChanges, last_seen: date, missing_columns: MissingColumns = NONE_MISSING
) -> Sequence[Row]:
    """Rows of `CHANGE_COLUMNS`, by pat_num.

    Args:
        changes: what differs.
        last_seen: the last day that had those who are cleared.
        missing_columns: what neither of the two snapshots tells.
    """

    def to_row(balance: Balance) -> Row:
        return mask_missing_columns(balance, missing_columns)

    rows = [make_change_row(ChangeKind.NEW, None, to_row(balance), None) for balance in changes.new]
    rows += [
        make_change_row(ChangeKind.CHANGED, to_row(earlier), to_row(later), None) for earlier, later in changes.changed
    ]
    rows += [make_change_row(ChangeKind.CLEARED, to_row(balance), None, last_seen) for balance in changes.cleared]
    return sorted(rows, key=lambda row: int(row[1]))


class DeliveryFailed(Exception):
    """The sink has not taken a delivery, or not said so."""

    def __init__(self, what: str, *, retry_after_seconds: float | None = None, final: bool = False) -> None:
        """Arguments as of `Refusal`."""
        super().__init__(what)
        self.error = DeliveryFailure(what, retry_after_seconds, final)


class Sink(Protocol):
    """Where deliveries go."""

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Return once the consumer has it, durably; a second delivery of the same id must change nothing.

        Raises:
            SinkRefused: the consumer has not said so. It may have it all the same.
        """

    async def aclose(self) -> None:
        """Let go of connections."""
