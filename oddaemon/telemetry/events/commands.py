"""Events of commands. See `Event` for what a field may hold."""

from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level


@dataclass(frozen=True, slots=True)
class CommandReceived(Event):
    """The control socket received a command; `response` is the sentence that it returned."""

    name: ClassVar[str] = "command_received"
    command: str
    """"pause", "reload" …"""
    office: str
    """"": the whole daemon."""
    uid: int | None
    """Of the user; None: the system does not report it."""
    response: str
    rejected: bool = False

    def log_level(self) -> Level:
        return Level.WARNING if self.rejected else Level.INFO


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """A background job of a command finished; `result` is one sentence."""

    name: ClassVar[str] = "job_finished"
    job: str
    """"vacuum", "forget bright-smiles" …"""
    seconds: float
    result: str


@dataclass(frozen=True, slots=True)
class JobFailed(Event):
    """A background job of a command failed; `reason` says why and what to do."""

    name: ClassVar[str] = "job_failed"
    level: ClassVar[Level] = Level.ERROR
    job: str
    seconds: float
    reason: str
    traceback: str | None
    """Only after a crash, a bug in oddaemon; None for other failures."""


@dataclass(frozen=True, slots=True)
class CommandIgnored(Event):
    """A command asked for a state that the office already has. The journal does not record it."""

    name: ClassVar[str] = "command_ignored"
    command: str
    office: str
    uid: int | None
    """Of the user; None: the system does not report it."""
    response: str


@dataclass(frozen=True, slots=True)
class ConfigurationWatchFailed(Event):
    """The daemon cannot watch the configuration files, for `reason`. A signal or a command still reloads them."""

    name: ClassVar[str] = "configuration_watch_failed"
    level: ClassVar[Level] = Level.WARNING
    reason: str
    advice: str = "Run `oddaemon reload` after each change; check the `fs.inotify` limits in sysctl."
