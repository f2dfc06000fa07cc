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

from oddaemon.core.status import instant
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.health import require_sound, try_writing
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import StoreFailed, StoreRecovered, StoreSlow

TRY_SECONDS = 5.0
"""Between two attempts to write to one that is not."""
OPEN_SECONDS_MIN = 1.0
OPEN_SECONDS_MAX = 30.0
"""Between two attempts to open one, doubling."""
SLOW_SECONDS = 2.0
"""A write that takes longer is worth a warning: a good disk needs a hundredth of a second."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the database, and since when anything has been."""

    error: StoreError
    since: datetime

    @property
    def sentence(self) -> str:
        """What, what to do, since when."""
        ends = "" if self.error.passes else " Only a restart ends this."
        return f"{self.error.what} {self.error.advice}{ends} Since {instant(self.since)}."


class StoreHealth:
    """The health of one daemon's database.

    Args:
        emit: takes the events.
        now: the wall clock.
        is_at_work: whether the daemon has started and does not drain.
    """

    def __init__(
        self, emit: Callable[[Event], None], now: Callable[[], datetime], is_at_work: Callable[[], bool]
    ) -> None:
        self.trouble: Trouble | None = None
        self._emit = emit
        self._now = now
        self._is_at_work = is_at_work
        self._falling_ill = anyio.Event()

    def failed(self, error: StoreError) -> None:
        """The database could not be used. What passes is no news while something stands that does not."""
        former = self.trouble
        if former is not None and (former.error.what == error.what or not former.error.passes):
            return
        self.trouble = Trouble(error, former.since if former else self._now())
        self._emit(StoreFailed(error.what, error.advice, error.passes))
        self._falling_ill.set()

    def recovered(self) -> None:
        """The database was opened, or written to."""
        former, self.trouble = self.trouble, None
        if former is None:
            return
        self._falling_ill = anyio.Event()
        self._emit(StoreRecovered((self._now() - former.since).total_seconds(), self._is_at_work()))

    async def watch(self, database: Database, look_seconds: float) -> None:
        """Look after an open database until cancelled, so often while it is well; whoever writes to it looks, too."""
        while True:
            with anyio.move_on_after(look_seconds):
                await self._falling_ill.wait()
            if self.trouble is not None:
                await anyio.sleep(TRY_SECONDS)
            await self._look(database)

    async def until_it_passes(self, attempt: Callable[[], Awaitable[T]], giving_up: anyio.Event) -> T | None:
        """Do what needs the database again and again while its trouble may pass by itself.

        Args:
            attempt: what is to be done.
            giving_up: ends this between two attempts.

        Returns:
            What the attempt did; None: given up.

        Raises:
            StoreError: one that does not pass.
        """
        seconds = OPEN_SECONDS_MIN
        while not giving_up.is_set():
            try:
                result = await attempt()
            except StoreError as error:
                if not error.passes:
                    raise
                self.failed(error)
            else:
                self.recovered()
                return result
            with anyio.move_on_after(seconds):
                await giving_up.wait()
            seconds = min(2 * seconds, OPEN_SECONDS_MAX)
        return None

    async def _look(self, database: Database) -> None:
        slowest_seconds, database.slowest_write_seconds = database.slowest_write_seconds, 0.0
        if slowest_seconds > SLOW_SECONDS:
            self._emit(StoreSlow(slowest_seconds, "See what else keeps this disk busy, and whether it is failing."))
        try:
            await require_sound(database)
            if self.trouble is None or not self.trouble.error.passes:
                return
            await try_writing(database)
        except StoreError as error:
            self.failed(error)
        else:
            self.recovered()
