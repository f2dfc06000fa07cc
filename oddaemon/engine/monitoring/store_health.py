"""The health of the database: the present incident, and the task that checks whether it is over.

Every failed use of the database is reported here. An incident ends when a test write succeeds, so the daemon becomes
ready again even if no office writes. A permanent incident (a damaged, deleted or replaced file) lasts until a restart.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import anyio

from oddaemon.core.reporting.formatting import format_instant
from oddaemon.store.database import Database, Upkeep
from oddaemon.store.errors import StoreError
from oddaemon.store.opening import get_upkeep
from oddaemon.telemetry.events import StoreFailed, StoreMeasured, StoreRecovered, StoreSlow
from oddaemon.telemetry.events.base import Event

RETRY_SECONDS = 5.0
"""Between two test writes during an incident."""
OPEN_SECONDS_MIN = 1.0
OPEN_SECONDS_MAX = 30.0
"""Between two attempts to open it, doubling."""
OPEN_IN_FLEET_SECONDS_MAX = 4.0
"""The same for a host of a fleet, which has no part of the work until it succeeds."""
SLOW_SECONDS = 2.0
"""A slower write is worth a warning; a healthy disk takes about 0.01 s."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreIncident:
    """The present failure of the database, and when the incident started."""

    error: StoreError
    since: datetime

    @property
    def sentence(self) -> str:
        """What happened, what to do, since when."""
        ends = "" if self.error.is_transient else " Only a restart ends this."
        return f"{self.error.what} {self.error.advice}{ends} Since {format_instant(self.since)}."


class StoreHealth:
    """The health of one daemon's database.

    Args:
        emit: Takes the events.
        now: The wall clock.
        is_running: Whether the daemon has started and is not draining.
    """

    def __init__(
        self, emit: Callable[[Event], None], now: Callable[[], datetime], is_running: Callable[[], bool]
    ) -> None:
        self.incident: StoreIncident | None = None
        self._emit = emit
        self._now = now
        self._is_running = is_running
        self._failure_event = anyio.Event()
        self._wal_bytes: int | None = None

    def report_failure(self, error: StoreError) -> None:
        """The database could not be used. A transient failure does not replace a permanent one."""
        previous = self.incident
        if previous is not None and (previous.error.what == error.what or not previous.error.is_transient):
            return
        self.incident = StoreIncident(error, previous.since if previous else self._now())
        self._emit(StoreFailed(error.what, error.advice, error.is_transient))
        self._failure_event.set()

    def report_recovery(self) -> None:
        """The database was opened, or written to."""
        previous, self.incident = self.incident, None
        if previous is None:
            return
        self._failure_event = anyio.Event()
        self._emit(StoreRecovered((self._now() - previous.since).total_seconds(), self._is_running()))

    async def watch(self, database: Database, check_interval_seconds: float) -> None:
        """Check an open database until cancelled: at this interval, and at once after a reported failure."""
        while True:
            with anyio.move_on_after(check_interval_seconds):
                await self._failure_event.wait()
            if self.incident is not None:
                await anyio.sleep(RETRY_SECONDS)
            await self._check(database)

    async def retry_until_recovered(
        self, attempt: Callable[[], Awaitable[T]], stop: anyio.Event, seconds_max: float = OPEN_SECONDS_MAX
    ) -> T | None:
        """Retry something that needs the database while its failure is transient.

        Args:
            attempt: What to do.
            stop: Ends the retries.
            seconds_max: Between two attempts.

        Returns:
            The result of the attempt. None: stopped.

        Raises:
            StoreError: A permanent failure.
        """
        seconds = OPEN_SECONDS_MIN
        while not stop.is_set():
            try:
                result = await attempt()
            except StoreError as error:
                if not error.is_transient:
                    raise
                self.report_failure(error)
            else:
                self.report_recovery()
                return result
            with anyio.move_on_after(seconds):
                await stop.wait()
            seconds = min(2 * seconds, seconds_max)
        return None

    async def _check(self, database: Database) -> None:
        upkeep = get_upkeep(database)
        slowest_seconds, database.slowest_write_seconds = database.slowest_write_seconds, 0.0
        if slowest_seconds > SLOW_SECONDS:
            self._emit(StoreSlow(slowest_seconds, upkeep.slow_advice))
        try:
            self._measure(upkeep)
            await upkeep.require_healthy()
            if self.incident is None or not self.incident.error.is_transient:
                return
            await upkeep.try_writing()
        except StoreError as error:
            self.report_failure(error)
        else:
            self.report_recovery()

    def _measure(self, upkeep: Upkeep) -> None:
        """Report the size of the write-ahead log if it changed."""
        wal_bytes = upkeep.get_log_bytes()
        if wal_bytes is not None and wal_bytes != self._wal_bytes:
            self._emit(StoreMeasured(wal_bytes))
            self._wal_bytes = wal_bytes
