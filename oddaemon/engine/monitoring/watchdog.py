"""What systemd hears of the daemon while it lives: how it is, that it makes progress, that it needs more time.

`WATCHDOG=1` is sent only when `core.progress` finds nothing that hangs, never merely because time has passed. The task
that asks runs in the event loop of everything else, so a loop that stands still is silent by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from oddaemon.core.model import Status
from oddaemon.core.office.status import to_sentence
from oddaemon.core.reporting.fleet_summary import format_fleet_summary
from oddaemon.core.stall_detection import StallLimits, WorkerActivity, find_stall
from oddaemon.settings import Settings
from oddaemon.telemetry import systemd
from oddaemon.telemetry.events import EngineRecovered, EngineStalled
from oddaemon.telemetry.events.base import Event

NOTIFY_INTERVAL_SECONDS = 2.0
"""How often systemd hears; its own watchdog may want to hear more often still."""
CHECK_INTERVAL_SECONDS = 60.0
"""How often to look whether anything hangs where nobody listens: for the log alone."""
EXTEND_TIMEOUT_SECONDS = 30.0
"""How much longer a start or an end may take from now on, each time that it is asked for."""
CLOSING_SECONDS = 15.0
"""For what has to be closed once a drain is over."""


@dataclass(frozen=True, slots=True)
class DaemonHealth:
    """The daemon at one moment, as far as systemd is concerned. Instants are the event loop's, but for `now`."""

    at: float
    now: datetime
    """The wall clock, aware."""
    settings: Settings
    has_started: bool
    """The configuration is applied and the store was opened."""
    drain_deadline: float | None
    """When its drain ends at the latest; None: it does not drain."""
    store_failure: str | None
    """What is wrong with the database, as a sentence."""
    writing_since: float | None
    """When the write that is under way began."""
    activity: Sequence[WorkerActivity]
    statuses: Sequence[Status]

    @property
    def stall(self) -> str | None:
        """What hangs, as a clause."""
        api = self.settings.api
        limits = StallLimits(
            response_seconds=api.connect_timeout_seconds + api.request_timeout_seconds,
            max_in_flight=api.max_in_flight,
            seconds_between_requests=1.0 / api.max_requests_per_second,
            spacing_seconds=max((office.min_interval_seconds for office in self.settings.offices), default=0.0),
        )
        return find_stall(self.activity, self.writing_since, limits, self.at)

    @property
    def needs_more_time(self) -> bool:
        """Whether it starts or drains, and is still within what that may take."""
        if self.drain_deadline is not None:
            return self.at < self.drain_deadline + CLOSING_SECONDS
        return not self.has_started

    @property
    def sentence(self) -> str:
        """How the daemon is."""
        if self.drain_deadline is not None:
            asking = sum(worker.request_since is not None for worker in self.activity)
            requests = "1 request" if asking == 1 else f"{asking} requests"
            return f"Stopping: {requests} under way, for at most {max(0.0, self.drain_deadline - self.at):.0f} s."
        if self.store_failure is not None:
            return f"Not ready: {self.store_failure}"
        if not self.has_started:
            return "Starting: the database is being opened."
        return format_fleet_summary(self.statuses, self.now, self.now.astimezone().tzinfo or UTC)


async def run_watchdog(get_health: Callable[[], DaemonHealth], emit: Callable[[Event], None]) -> None:
    """Tell systemd how the daemon is, until cancelled.

    Args:
        get_health: Of this moment.
        emit: Takes the events.
    """
    period_seconds = CHECK_INTERVAL_SECONDS
    if systemd.is_available():
        period_seconds = min(NOTIFY_INTERVAL_SECONDS, (systemd.get_watchdog_seconds() or CHECK_INTERVAL_SECONDS) / 3)
    notifier = _SystemdNotifier(emit)
    while True:
        due = anyio.current_time() + period_seconds
        notifier.notify(get_health())
        await anyio.sleep_until(due)
        if anyio.current_time() - due > period_seconds:
            # The process was stopped or its loop held up: everybody else is as late, and wakes only now.
            await anyio.sleep(period_seconds)


class _SystemdNotifier:
    """What was told already."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._sentence = ""
        self._stalled_since: float | None = None

    def notify(self, health: DaemonHealth) -> None:
        """Tell what is new, and that all is well if it is."""
        stalled_on = health.stall
        self._set_status(f"Stuck: {stalled_on}." if stalled_on else health.sentence)
        if health.needs_more_time:
            systemd.extend_timeout(EXTEND_TIMEOUT_SECONDS)
        if stalled_on is None:
            systemd.notify_watchdog()
            if self._stalled_since is not None:
                self._emit(EngineRecovered(health.at - self._stalled_since))
                self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = health.at
            self._emit(EngineStalled(to_sentence(stalled_on)))

    def _set_status(self, sentence: str) -> None:
        if sentence != self._sentence:
            self._sentence = sentence
            systemd.notify_status(sentence)
