"""What a delivery carries, in one shape for every sink, and how a sink reports a failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from oddaemon.core.delivery import DeliveryFailure
from oddaemon.core.model import Balance, ChangeKind, PublishedSnapshot
from oddaemon.core.reporting.formatting import format_instant, format_money
from oddaemon.core.snapshot.diff import SnapshotChanges, SnapshotDelta
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, MissingColumns, mask_missing_columns
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, CHANGE_COLUMNS, Columns, Row, make_change_row


@dataclass(frozen=True, slots=True)
class Payload:
    """One snapshot of one office, whole or as changes."""

    office_name: str
    snapshot: PublishedSnapshot
    balances: Sequence[Balance] = field(default=(), repr=False)
    """The whole snapshot as it is stored, ordered by pat_num; empty where changes are sent."""
    delta: SnapshotDelta | None = field(default=None, repr=False)
    """The changes since the snapshot that the consumer has; None: the whole snapshot is sent."""
    missing_columns: MissingColumns = NONE_MISSING
    """Columns that are 0 in the balances because the snapshot's reader does not give them."""

    @property
    def office_id(self) -> str:
        """The office of the snapshot."""
        return self.snapshot.office_id

    @property
    def content(self) -> str:
        """`changes` or `snapshot`: what the rows are."""
        return "snapshot" if self.delta is None else "changes"

    @property
    def base_snapshot_id(self) -> int | None:
        """The snapshot that the changes start from; None: the whole snapshot is sent."""
        return None if self.delta is None else self.delta.base_snapshot_id

    @property
    def columns(self) -> Columns:
        """What the rows hold."""
        return BALANCE_COLUMNS if self.delta is None else CHANGE_COLUMNS

    def build_rows(self) -> Sequence[Row]:
        """The balances, or the changes, ordered by pat_num. A column that the reader does not give is None."""
        if self.delta is not None:
            return build_change_rows(self.delta.changes, self.delta.base_aging_date, self.missing_columns)
        if not self.missing_columns:
            return self.balances
        return [mask_missing_columns(each, self.missing_columns) for each in self.balances]

    def build_metadata(self, delivery_id: str) -> dict[str, object]:
        """What belongs to the rows, ready for JSON."""
        return {
            "delivery_id": delivery_id,
            "office": self.office_id,
            "office_name": self.office_name,
            "content": self.content,
            "base_snapshot": self.base_snapshot_id,
            "snapshot": self._build_snapshot_document(),
        }

    def _build_snapshot_document(self) -> Mapping[str, object]:
        snapshot, sums = self.snapshot, self.snapshot.totals._asdict()
        del sums["checksum"]
        sums |= dict.fromkeys(self.missing_columns & sums.keys())
        guarantors = sums.pop("guarantors")
        return {
            "id": snapshot.id,
            "aging_date": snapshot.aging_date.isoformat(),
            "observed_at": format_instant(snapshot.observed_at),
            "published_at": format_instant(snapshot.published_at),
            "guarantors": guarantors,
            "totals": {name: None if cents is None else format_money(cents) for name, cents in sums.items()},
        }


def build_change_rows(
    changes: SnapshotChanges, last_seen: date, missing_columns: MissingColumns = NONE_MISSING
) -> Sequence[Row]:
    """Rows of `CHANGE_COLUMNS`, by pat_num; `last_seen` is the last day with a balance of the cleared guarantors."""

    def to_row(balance: Balance) -> Row:
        return mask_missing_columns(balance, missing_columns)

    rows = [make_change_row(ChangeKind.NEW, None, to_row(balance), None) for balance in changes.new]
    rows += [
        make_change_row(ChangeKind.CHANGED, to_row(earlier), to_row(later), None) for earlier, later in changes.changed
    ]
    rows += [make_change_row(ChangeKind.CLEARED, to_row(balance), None, last_seen) for balance in changes.cleared]
    return sorted(rows, key=lambda row: int(row[1]))


class DeliveryFailed(Exception):
    """The sink has not accepted a delivery, or not confirmed it."""

    def __init__(self, what: str, *, retry_after_seconds: float | None = None, final: bool = False) -> None:
        """Arguments as of `DeliveryFailure`."""
        super().__init__(what)
        self.error = DeliveryFailure(what, retry_after_seconds, final)


class Sink(Protocol):
    """Where deliveries go."""

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Return once the consumer has stored it durably; a second delivery of the same id must change nothing.

        Raises:
            DeliveryFailed: the consumer has not confirmed it. It may have it all the same.
        """

    async def aclose(self) -> None:
        """Close connections."""
