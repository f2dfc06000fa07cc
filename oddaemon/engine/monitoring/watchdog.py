"""Notifies systemd of the daemon's status, of progress, and of a need for more time.

`WATCHDOG=1` is sent only while `find_stall` finds nothing that hangs, never merely because time has passed. The task
runs in the event loop of everything else, so a blocked loop sends nothing.
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
"""Between two notifications; a third of systemd's watchdog time-out if that is less."""
CHECK_INTERVAL_SECONDS = 60.0
"""Between two checks without systemd, which only log."""
EXTEND_TIMEOUT_SECONDS = 30.0
"""By how much each request extends a start or a stop."""
CLOSING_SECONDS = 15.0
"""For closing everything after the drain."""


@dataclass(frozen=True, slots=True)
class DaemonHealth:
    """The daemon at one moment. Instants are the event loop's, except `now`."""

    at: float
    now: datetime
    """The wall clock, aware."""
    settings: Settings
    has_started: bool
    """The database is open and the configuration is applied."""
    drain_deadline: float | None
    """When the drain ends at the latest. None: not draining."""
    store_failure: str | None
    """The present failure of the database, as a sentence."""
    writing_since: float | None
    """When the running write started."""
    activity: Sequence[WorkerActivity]
    statuses: Sequence[Status]

    @property
    def stall(self) -> str | None:
        """What hangs, as a clause. None: nothing."""
        api = self.settings.api
        limits = StallLimits(
            response_seconds=api.connect_timeout_seconds + api.request_timeout_seconds,
            max_in_flight=api.max_in_flight,
            seconds_between_requests=1.0 / api.max_requests_per_second,
            spacing_seconds=max(
                (office.credentials.min_interval_seconds for office in self.settings.offices.values()), default=0.0
            ),
        )
        return find_stall(self.activity, self.writing_since, limits, self.at)

    @property
    def needs_more_time(self) -> bool:
        """Whether the daemon is starting, or draining within its limit."""
        if self.drain_deadline is not None:
            return self.at < self.drain_deadline + CLOSING_SECONDS
        return not self.has_started

    @property
    def sentence(self) -> str:
        """The status, as a sentence."""
        if self.drain_deadline is not None:
            asking = sum(worker.request_since is not None for worker in self.activity)
            requests = "1 request" if asking == 1 else f"{asking} requests"
            return f"Stopping: {requests} in flight, for at most {max(0.0, self.drain_deadline - self.at):.0f} s."
        if self.store_failure is not None:
            return f"Not ready: {self.store_failure}"
        if not self.has_started:
            return "Starting: opening the database."
        return format_fleet_summary(self.statuses, self.now, self.now.astimezone().tzinfo or UTC)


async def run_watchdog(get_health: Callable[[], DaemonHealth], emit: Callable[[Event], None]) -> None:
    """Notify systemd until cancelled.

    Args:
        get_health: Returns the present health.
        emit: Takes the events.
    """
    period_seconds = CHECK_INTERVAL_SECONDS
    if systemd.is_available():
        period_seconds = min(NOTIFY_INTERVAL_SECONDS, (systemd.get_watchdog_seconds() or CHECK_INTERVAL_SECONDS) / 3)
    notifier = _SystemdNotifier(emit)
    now = anyio.current_time()
    while True:
        due = now + period_seconds
        try:
            notifier.notify(get_health())
        except Exception:  # raised again below
            # The loop runs; that its health cannot be judged is our error, and systemd must not end the daemon for it.
            systemd.notify_watchdog()
            raise
        await anyio.sleep(period_seconds)
        now = anyio.current_time()
        if now - due > period_seconds:
            # The process was suspended or its loop blocked: all other tasks are as late and wake only now.
            await anyio.sleep(period_seconds)
            now = anyio.current_time()


class _SystemdNotifier:
    """Remembers what was already reported."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._sentence = ""
        self._stalled_since: float | None = None

    def notify(self, health: DaemonHealth) -> None:
        """Report changes, and progress if nothing hangs."""
        stalled_on = health.stall
        if systemd.is_available():
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
