"""What people ask of the daemon. See `Event` for what a field may hold."""

from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.event import Event, Level


@dataclass(frozen=True, slots=True)
class OrderGiven(Event):
    """Somebody gave an order on the control socket; `answer` is what they were told."""

    name: ClassVar[str] = "order_given"
    order: str
    """"pause", "reload" …"""
    office: str
    """"": it concerns the whole daemon."""
    uid: int | None
    """Of the user who gave it; None: the system does not tell."""
    answer: str
    is_refused: bool = False

    def log_level(self) -> Level:
        """Louder when nothing came of it."""
        return Level.WARNING if self.is_refused else Level.INFO


@dataclass(frozen=True, slots=True)
class ErrandDone(Event):
    """What was ordered and took a while is done; `result` is one sentence."""

    name: ClassVar[str] = "errand_done"
    errand: str
    """"vacuum", "forget bright-smiles" …"""
    seconds: float
    result: str


@dataclass(frozen=True, slots=True)
class ErrandFailed(Event):
    """What was ordered and took a while could not be done; `problem` says why and what to do."""

    name: ClassVar[str] = "errand_failed"
    level: ClassVar[Level] = Level.ERROR
    errand: str
    seconds: float
    problem: str
    traceback: str | None
    """Of an error in oddaemon itself; None: it is none."""


@dataclass(frozen=True, slots=True)
class NeedlessOrderGiven(Event):
    """Somebody ordered of an office what is so already: no news of it, and no line in its journal."""

    name: ClassVar[str] = "needless_order_given"
    order: str
    office: str
    uid: int | None
    """Of the user who gave it; None: the system does not tell."""
    answer: str


@dataclass(frozen=True, slots=True)
class ConfigurationUnwatched(Event):
    """Changed files are not noticed, for `reason`, until it can be done again; a signal or an order still counts."""

    name: ClassVar[str] = "configuration_unwatched"
    level: ClassVar[Level] = Level.WARNING
    reason: str
    advice: str = "Tell the daemon of changes with `oddaemon reload`; `fs.inotify` limits are in sysctl."
