"""The present state of one office in a running daemon: the source of its status, its deadlines and its pages."""

from dataclasses import dataclass, field
from datetime import datetime

from oddaemon.core.model import OfficeSpec, PublishedSnapshot
from oddaemon.core.office.state import OfficeCommand, OfficeState
from oddaemon.core.reporting.status_document import KeyRotation


@dataclass(slots=True)
class OfficeRuntime:
    """One office: its state, its last snapshot, and its counters since the process started."""

    spec: OfficeSpec
    state: OfficeState
    known_since: datetime
    """Since when balances are expected: it was added, resumed, or its selection changed."""
    snapshot: PublishedSnapshot | None = None
    requests: int = 0
    failures: int = 0
    commands: list[OfficeCommand] = field(default_factory=list)
    """Commands that were not executed yet. They survive the office's workers."""
    is_quarantined: bool = False
    """Its worker crashed too often and rests."""
    key_rotation: KeyRotation | None = None
    """Known to this process only, like the previous key."""
    host: str | None = None
    """The host that works for it in a fleet; None: no living one does, or there is no fleet."""
    held_since: datetime | None = None
    error_text: str = ""
    """That of the last action, as it was received; "": it did not fail. It may quote a patient's data, so it is neither
    stored nor logged, and only `explain` shows it."""
