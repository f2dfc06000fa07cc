"""The rows and the metadata of a delivery, in one shape for every sink, and how a sink reports a failure."""

from collections.abc import Sequence
from typing import Protocol

from oddaemon.core.delivery import DeliveryFailure
from oddaemon.core.model import Balance, ChangeKind
from oddaemon.core.reporting.formatting import format_instant, format_money
from oddaemon.core.snapshot.missing_columns import mask_missing_columns
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, CHANGE_COLUMNS, Columns, Row, make_change_row


def get_columns(payload: Payload) -> Columns:
    """What the rows hold."""
    return BALANCE_COLUMNS if payload.delta is None else CHANGE_COLUMNS


def build_rows(payload: Payload) -> Sequence[Row]:
    """The balances, or the changes, ordered by pat_num. A column that the reader does not give is None."""
    missing_columns, delta = payload.missing_columns, payload.delta
    if delta is None:
        if not missing_columns:
            return payload.balances
        return [mask_missing_columns(each, missing_columns) for each in payload.balances]

    def to_row(balance: Balance) -> Row:
        return mask_missing_columns(balance, missing_columns)

    new, changed, cleared = delta.changes.new, delta.changes.changed, delta.changes.cleared
    rows = [make_change_row(ChangeKind.NEW, None, to_row(balance), None) for balance in new]
    rows += [make_change_row(ChangeKind.CHANGED, to_row(earlier), to_row(later), None) for earlier, later in changed]
    rows += [make_change_row(ChangeKind.CLEARED, to_row(each), None, delta.base_aging_date) for each in cleared]
    return sorted(rows, key=lambda row: int(row[1]))


def build_metadata(payload: Payload, delivery_id: str) -> dict[str, object]:
    """What belongs to the rows, ready for JSON."""
    snapshot, sums = payload.snapshot, payload.snapshot.totals._asdict()
    del sums["checksum"]
    sums |= dict.fromkeys(payload.missing_columns & sums.keys())
    guarantors = sums.pop("guarantors")
    return {
        "delivery_id": delivery_id,
        "office": payload.office_id,
        "office_name": payload.office_name,
        "content": payload.content,
        "base_snapshot": None if payload.delta is None else payload.delta.base_snapshot_id,
        "snapshot": {
            "id": snapshot.id,
            "aging_date": snapshot.aging_date.isoformat(),
            "observed_at": format_instant(snapshot.observed_at),
            "published_at": format_instant(snapshot.published_at),
            "guarantors": guarantors,
            "totals": {name: None if cents is None else format_money(cents) for name, cents in sums.items()},
        },
    }


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
