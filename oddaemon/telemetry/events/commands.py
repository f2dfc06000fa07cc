"""What people ask of the daemon. See `Event` for what a field may hold."""

from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level


@dataclass(frozen=True, slots=True)
class CommandReceived(Event):
    """Somebody gave an order on the control socket; `answer` is what they were told."""

    name: ClassVar[str] = "command_received"
    command: str
    """"pause", "reload" …"""
    office: str
    """"": it concerns the whole daemon."""
    uid: int | None
    """Of the user who gave it; None: the system does not tell."""
    response: str
    rejected: bool = False

    def log_level(self) -> Level:
        """Louder when nothing came of it."""
        return Level.WARNING if self.rejected else Level.INFO


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """What was ordered and took a while is done; `result` is one sentence."""

    name: ClassVar[str] = "job_finished"
    job: str
    """"vacuum", "forget bright-smiles" …"""
    seconds: float
    result: str


@dataclass(frozen=True, slots=True)
class JobFailed(Event):
    """What was ordered and took a while could not be done; `problem` says why and what to do."""

    name: ClassVar[str] = "job_failed"
    level: ClassVar[Level] = Level.ERROR
    job: str
    seconds: float
    reason: str
    traceback: str | None
    """Of an error in oddaemon itself; None: it is none."""


@dataclass(frozen=True, slots=True)
class CommandIgnored(Event):
    """Somebody ordered of an office what is so already: no news of it, and no line in its journal."""

    name: ClassVar[str] = "command_ignored"
    command: str
    office: str
    uid: int | None
    """Of the user who gave it; None: the system does not tell."""
    response: str


@dataclass(frozen=True, slots=True)
class ConfigurationWatchFailed(Event):
    """Changed files are not noticed, for `reason`, until it can be done again; a signal or an order still counts."""

    name: ClassVar[str] = "configuration_watch_failed"
    level: ClassVar[Level] = Level.WARNING
    reason: str
    advice: str = "Tell the daemon of changes with `oddaemon reload`; `fs.inotify` limits are in sysctl."
