"""I6: a snapshot is published once, and one that was acknowledged is not lost. I7: deliveries, in order."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.fleet.evidence import DeliveryRow, SnapshotRow, Violation

ONCE = "I6"
DELIVERED = "I7"
DONE = "done"
"""The state of a delivery that the sink acknowledged."""


@dataclass(frozen=True)
class Acknowledgement:
    """A publication that a daemon logged."""

    office: str
    snapshot: int


@dataclass(frozen=True)
class ReceivedDelivery:
    """A delivery as its receiver got it."""

    sink: str
    office: str
    delivery_id: str


def find_repeated_snapshots(rows: Sequence[SnapshotRow]) -> Iterator[Violation]:
    """Two snapshots of one observation."""
    seen: dict[tuple[str, object], int] = {}
    for row in sorted(rows, key=lambda row: row.id):
        first = seen.setdefault((row.office, row.observed_at), row.id)
        if first != row.id:
            yield Violation(ONCE, row.office, f"snapshots {first} and {row.id} were both observed at {row.observed_at}")


def find_lost_snapshots(rows: Sequence[SnapshotRow], acknowledged: Sequence[Acknowledgement]) -> Iterator[Violation]:
    """A snapshot that a daemon reported as published, and that is not there, or is another office's."""
    offices = {row.id: row.office for row in rows}
    for each in acknowledged:
        if offices.get(each.snapshot) != each.office:
            yield Violation(ONCE, each.office, f"snapshot {each.snapshot} was published and is lost")


def find_delivery_violations(rows: Sequence[DeliveryRow], received: Sequence[ReceivedDelivery]) -> Iterator[Violation]:
    """A delivery out of order, one with another id than the outbox's, one that is done and never came.

    Args:
        rows: The outbox.
        received: What came, in order.
    """
    numbers = {row.delivery_id: row.number for row in rows}
    last: defaultdict[tuple[str, str], int] = defaultdict(int)
    seen = set()
    for each in received:
        number = numbers.get(each.delivery_id)
        subject = f"{each.sink}/{each.office}"
        if number is None:
            yield Violation(DELIVERED, subject, f"{each.delivery_id} came and is not in the outbox")
        elif each.delivery_id not in seen:
            if number < last[each.sink, each.office]:
                yield Violation(DELIVERED, subject, f"{number} came after {last[each.sink, each.office]}")
            last[each.sink, each.office] = number
        seen.add(each.delivery_id)
    queued: dict[tuple[str, str, int], int] = {}
    for row in sorted(rows, key=lambda row: row.number):
        subject = f"{row.sink}/{row.office}"
        if row.state == DONE and row.delivery_id not in seen:
            yield Violation(DELIVERED, subject, f"{row.number} is {DONE} and never came")
        first = queued.setdefault((row.sink, row.office, row.snapshot), row.number)
        if first != row.number:
            yield Violation(DELIVERED, subject, f"snapshot {row.snapshot} is queued as {first} and {row.number}")
