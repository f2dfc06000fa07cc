"""What happens at a moment of the scenario: to the daemon, to its clock and configuration, to an office.

Values only; `environment.py` performs them. Moments are seconds since the simulation began: no clock step moves them.
"""

from dataclasses import dataclass, field
from typing import Literal

from oddaemon.settings import OfficeSettings


@dataclass(frozen=True)
class RestartDaemon:
    """The daemon ends, and starts again after a time.

    Attributes:
        how: `crash`: cut off wherever it is; `stop`: ends at once; `drain`: ends in good order.
        down_seconds: how long there is none.
        lines: a crash waits for this number of further log lines, an hour at most.
        steps: and then for this number of turns of the event loop, so that it falls between a response and its storing.
    """

    at_seconds: float
    how: Literal["crash", "stop", "drain"]
    down_seconds: float
    lines: int = 0
    steps: int = 0


@dataclass(frozen=True)
class ReloadConfig:
    """Other offices are configured, or the same ones in another way. None removes one; the others stay."""

    at_seconds: float
    settings_by_office: tuple[tuple[str, OfficeSettings | None], ...] = field(repr=False)
    why: str = ""


@dataclass(frozen=True)
class StepClock:
    """The clock of the daemon's machine is set."""

    at_seconds: float
    by_seconds: float


@dataclass(frozen=True)
class RunAging:
    """The office runs aging by hand, as of its today or of a later day."""

    at_seconds: float
    office_id: str
    days_ahead: int = 0


@dataclass(frozen=True)
class AgeSomeFamilies:
    """The office posts charges or payments of several families, which ages them under the lock."""

    at_seconds: float
    office_id: str
    families: int
    lasts_seconds: float


@dataclass(frozen=True)
class InterruptAging:
    """The office ends the program in the middle of a run, if one is in progress.

    Attributes:
        rolls_back: only its statement fails, which writes nothing and clears the lock.
    """

    at_seconds: float
    office_id: str
    rolls_back: bool = False


@dataclass(frozen=True)
class SetRunDuration:
    """Runs of aging take so long from now on."""

    at_seconds: float
    office_id: str
    run_seconds: float


@dataclass(frozen=True)
class DelayService:
    """The service that starts aging wakes up so late from now on; for more than an hour it is down."""

    at_seconds: float
    office_id: str
    delay_seconds: float


@dataclass(frozen=True)
class SetPreference:
    """The office changes a preference."""

    at_seconds: float
    office_id: str
    name: str
    value: str


@dataclass(frozen=True)
class PostActivity:
    """Accounts are opened one after another: their families are recalculated."""

    at_seconds: float
    office_id: str
    lasts_seconds: float
    every_seconds: float


Action = (
    RestartDaemon
    | ReloadConfig
    | StepClock
    | RunAging
    | AgeSomeFamilies
    | InterruptAging
    | SetRunDuration
    | DelayService
    | SetPreference
    | PostActivity
)
