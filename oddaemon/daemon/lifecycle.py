"""The phases of a daemon: starting, running, draining, ended; and what systemd and the pages hear of them."""

from collections.abc import Callable
from datetime import datetime

import anyio

from oddaemon.engine.monitoring.store_health import StoreHealth
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.settings import Settings
from oddaemon.telemetry import systemd
from oddaemon.telemetry.events import DaemonDraining, DaemonReady
from oddaemon.telemetry.events.base import Event

ELSEWHERE = "Meanwhile the other hosts of the fleet, if there are any, work for its offices."


class Lifecycle:
    """The phase of one daemon. Create it inside the event loop.

    Args:
        settings: The active settings.
        emit: Takes the events.
        now: The wall clock.
    """

    def __init__(
        self, settings: Callable[[], Settings], emit: Callable[[Event], None], now: Callable[[], datetime]
    ) -> None:
        self.running = anyio.Event()
        self.draining = anyio.Event()
        self.drain_deadline: float | None = None
        """On the event loop's clock."""
        self.ended = False
        self.health = StoreHealth(emit, now, lambda: self.is_running)
        self._settings = settings
        self._emit = emit

    @property
    def is_running(self) -> bool:
        """Whether the configuration is applied and may be changed."""
        return self.running.is_set() and not self.draining.is_set() and not self.ended

    @property
    def readiness(self) -> Readiness:
        """Whether the daemon does its work; if not, why."""
        if self.ended or self.draining.is_set():
            return Readiness(ready=False, reason="the daemon is stopping")
        if self.health.incident is not None:
            elsewhere = f" {ELSEWHERE}" if self._settings().state.is_postgresql else ""
            return Readiness(ready=False, reason=f"{self.health.incident.sentence}{elsewhere}")
        if not self.running.is_set():
            return Readiness(ready=False, reason="the daemon is starting: the database is being opened")
        return Readiness(ready=True)

    def mark_ready(self, listen: str) -> None:
        """The configuration is applied, and pages are served at `listen`."""
        if not self.draining.is_set():
            self.running.set()
            self._emit(DaemonReady(listen))
            systemd.notify_ready()

    def drain(self, cause: str) -> None:
        """Start to stop; a second call changes nothing."""
        if not self.draining.is_set():
            self._emit(DaemonDraining(cause))
            systemd.notify_stopping()
            self.drain_deadline = anyio.current_time() + self._settings().daemon.drain_seconds
            self.draining.set()
