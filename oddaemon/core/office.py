"""THE state machine: every transition of an office is in this file."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from oddaemon.core.model import Preferences, Reader, Standing


class Intent(StrEnum):
    """What an office does next, once its `not_before` has come."""

    SURVEY = "survey"
    PROBE = "probe"
    MEASURE_CLOCK = "measure_clock"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class Published:
    """The office's last published snapshot, as far as decisions need it."""

    aging_date: date
    published_at: datetime
    guarantors: int
    requests: int


@dataclass(frozen=True, slots=True)
class OfficeState:
    """All that is remembered of an office between two actions; it is stored after each, so a restart forgets nothing."""

    intent: Intent
    standing: Standing
    not_before: datetime
    attempts: int = 0
    preferences: Preferences | None = None
    utc_offset_seconds: float | None = None
    reader: Reader = Reader.STATEMENT
    published: Published | None = None
    run_seconds: float | None = None
    rereads: int = 0
    run_seen: bool = False
