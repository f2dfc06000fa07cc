"""Whether the database takes what it is given: one small value that the daemon keeps, and the task that looks after it.

Whoever meets a trouble with the database reports it here; it is over when a write of our own succeeds, so that the
daemon becomes ready again although no office happens to write. A trouble that no waiting ends (a damaged file, one that
was deleted or replaced) stays until the daemon is restarted.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import anyio

from oddaemon.core.reporting.status_document import format_instant
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.health_check import require_healthy, try_writing
from oddaemon.telemetry.events import StoreFailed, StoreRecovered, StoreSlow
from oddaemon.telemetry.events.base import Event

RETRY_SECONDS = 5.0
"""Between two attempts to write to one that is not."""
OPEN_SECONDS_MIN = 1.0
OPEN_SECONDS_MAX = 30.0
"""Between two attempts to open one, doubling."""
SLOW_SECONDS = 2.0
"""A write that takes longer is worth a warning: a good disk needs a hundredth of a second."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreIncident:
    """What is wrong with the database, and since when anything has been."""

    error: StoreError
    since: datetime

    @property
    def sentence(self) -> str:
        """What, what to do, since when."""
        ends = "" if self.error.is_transient else " Only a restart ends this."
        return f"{self.error.what} {self.error.advice}{ends} Since {format_instant(self.since)}."


class StoreHealth:
    """The health of one daemon's database.

    Args:
        emit: takes the events.
        now: the wall clock.
        is_running: whether the daemon has started and does not drain.
    """

    def __init__(
        self, emit: Callable[[Event], None], now: Callable[[], datetime], is_running: Callable[[], bool]
    ) -> None:
        self.incident: StoreIncident | None = None
        self._emit = emit
        self._now = now
        self._is_running = is_running
        self._failure_event = anyio.Event()

    def report_failure(self, error: StoreError) -> None:
        """The database could not be used. What passes is no news while something stands that does not."""
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

    async def watch(self, database: SqliteDatabase, check_interval_seconds: float) -> None:
        """Look after an open database until cancelled, so often while it is well; whoever writes to it looks, too."""
        while True:
            with anyio.move_on_after(check_interval_seconds):
                await self._failure_event.wait()
            if self.incident is not None:
                await anyio.sleep(RETRY_SECONDS)
            await self._check(database)

    async def retry_until_recovered(self, attempt: Callable[[], Awaitable[T]], stop: anyio.Event) -> T | None:
        """Do what needs the database again and again while its trouble may pass by itself.

        Args:
            attempt: what is to be done.
            stop: ends this between two attempts.

        Returns:
            What the attempt did; None: given up.

        Raises:
            StoreError: one that does not pass.
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
            seconds = min(2 * seconds, OPEN_SECONDS_MAX)
        return None

    async def _check(self, database: SqliteDatabase) -> None:
        slowest_seconds, database.slowest_write_seconds = database.slowest_write_seconds, 0.0
        if slowest_seconds > SLOW_SECONDS:
            self._emit(StoreSlow(slowest_seconds, "See what else keeps this disk busy, and whether it is failing."))
        try:
            await require_healthy(database)
            if self.incident is None or not self.incident.error.is_transient:
                return
            await try_writing(database)
        except StoreError as error:
            self.report_failure(error)
        else:
            self.report_recovery()
