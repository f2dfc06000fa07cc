"""What a delivery carries, from the outbox to every sink."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from oddaemon.core.model import Balance, PublishedSnapshot
from oddaemon.core.snapshot.diff import SnapshotDelta
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, MissingColumns


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
