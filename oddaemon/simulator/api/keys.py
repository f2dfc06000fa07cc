"""Customer keys at headquarters: their office, permissions, rate and page size."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Permission(Enum):
    """What a key may do; the throttle depends on it too."""

    READ_ALL = "read_all"
    QUERIES = "standard"
    ENTERPRISE = "enterprise"


class Mode(Enum):
    """Through headquarters, or straight to the API Service in the office."""

    REMOTE = "remote"
    LOCAL = "local"


SPACING_SECONDS = {Permission.READ_ALL: 5.0, Permission.QUERIES: 1.0, Permission.ENTERPRISE: 0.5}
"""Documented pause between the starts of two requests of one key, over headquarters."""

ROWS_MAX = {Mode.REMOTE: 100, Mode.LOCAL: 1_000}
ROWS_MAX_ENTERPRISE = {Mode.REMOTE: 1_000, Mode.LOCAL: 10_000}
"""Documented page caps."""


@dataclass(frozen=True)
class ApiKey:
    """One customer key.

    Attributes:
        customer_key: the secret itself; never logged.
        office_id: the practice it opens.
        permission: what it may do.
        mode: through headquarters or local.
        spacing_override_seconds: a pause other than the documented one; None for the documented one.
        rows_override: a page cap other than the documented one; None for the documented one.
        label: the name of the key in logs; the office's id when left empty.
        in_force_from: when headquarters begins to accept it, up to 15 minutes after its creation; None: long ago.
        in_force_until: when it stops being assigned; None: never.
    """

    customer_key: str = field(repr=False)
    office_id: str
    permission: Permission = Permission.QUERIES
    mode: Mode = Mode.REMOTE
    spacing_override_seconds: float | None = None
    rows_override: int | None = None
    label: str = ""
    in_force_from: datetime | None = None
    in_force_until: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether headquarters accepts the key now."""
        begun = self.in_force_from is None or now >= self.in_force_from
        return begun and (self.in_force_until is None or now < self.in_force_until)

    @property
    def name(self) -> str:
        """The name of the key in logs."""
        return self.label or self.office_id

    @property
    def spacing_seconds(self) -> float:
        """The pause that this key must keep between the starts of two requests."""
        if self.spacing_override_seconds is not None:
            return self.spacing_override_seconds
        return 0.0 if self.mode is Mode.LOCAL else SPACING_SECONDS[self.permission]

    @property
    def rows_max(self) -> int:
        """The maximum number of rows in one response."""
        if self.rows_override is not None:
            return self.rows_override
        return (ROWS_MAX_ENTERPRISE if self.permission is Permission.ENTERPRISE else ROWS_MAX)[self.mode]
