"""The Open Dental Service of one office: it starts aging within one hour from the due time, or not that night."""

from collections.abc import Collection
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Literal

import anyio

from oddaemon.simulator.model.world_clock import ServerClock
from oddaemon.simulator.practice.aging_run import AgingInProgressError, AgingProcess
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_MONTHLY,
    AGING_SERVICE_TIME_DUE,
    DATE_LAST_AGING,
    Preferences,
)

START_WINDOW = timedelta(hours=1)
CRASH_LOCK_EXPIRES_AFTER = timedelta(hours=24)
CRASH_LOCK_EXPIRES_IN = ((23, 3, 44), (24, 1, 14), (24, 2, 1))  # first releases that ignore an old lock, by branch


class NightlyService:
    """Watches the clock and the preferences.

    Args:
        aging: The aging that it starts.
        preferences: The due time and the state of aging, read each time.
        office_clock: The office's time.
        start_delay_seconds: Its delay each night; over an hour, the service is down and sends no heartbeat.
        crashes: Nights whose run crashes.
    """

    def __init__(
        self,
        aging: AgingProcess,
        preferences: Preferences,
        office_clock: ServerClock,
        *,
        start_delay_seconds: float,
        crashes: Collection[date] | Literal["always"],
    ) -> None:
        self._aging = aging
        self._preferences = preferences
        self._office_clock = office_clock
        self._delay = timedelta(seconds=start_delay_seconds)
        self._crashes = crashes
        self._last_attempt: datetime | None = None
        self._sleep_scope: anyio.CancelScope | None = None

    async def run(self) -> None:
        """Run every night's aging until cancelled."""
        while True:
            next_night = self._find_next_night()
            if next_night is None:
                await self._sleep_until(None)
            elif await self._sleep_until(next_night[1] + self._delay):
                night, self._last_attempt = next_night
                await self._aging.wait_for_partial()
                if self._may_start():
                    await self._aging.run(crashes=self._crashes == "always" or night in self._crashes)

    async def post_repeating_charges(self, at: time, families: int, seconds: float) -> None:
        """Post the repeating charges every day at this time, which ages their families, until cancelled."""
        while True:
            today, now = self._office_clock.today(), self._office_clock.world.now()
            instants = (self._office_clock.find_first_instant(today + timedelta(days=days), at) for days in (0, 1, 2))
            await self._office_clock.world.sleep_until(next(instant for instant in instants if instant > now))
            with suppress(AgingInProgressError):
                await self._aging.run_partial(families, seconds)

    def set_delay(self, seconds: float) -> None:
        """Set the delay of its start; over an hour means that it is down."""
        self._delay = timedelta(seconds=seconds)
        self.wake_up()

    def wake_up(self) -> None:
        """Check the due time again after a preference changed."""
        if self._sleep_scope is not None:
            self._sleep_scope.cancel()

    def get_heartbeat(self) -> datetime:
        """The service's last heartbeat, in office-local time."""
        now = self._office_clock.now()
        due = self._get_time_due()
        if due is not None and self._delay > START_WINDOW:
            for night in (now.date(), now.date() - timedelta(days=1)):
                down_from = datetime.combine(night, due)
                if down_from <= now < down_from + self._delay:
                    return down_from
        return now.replace(second=0)

    async def _sleep_until(self, instant: datetime | None) -> bool:
        """Sleep until the instant, or for ever if it is None; False if a preference changed first."""
        with anyio.CancelScope() as self._sleep_scope:
            if instant is None:
                await anyio.sleep_forever()
            else:
                await self._office_clock.world.sleep_until(instant)
        was_woken, self._sleep_scope = self._sleep_scope.cancelled_caught, None
        return not was_woken

    def _find_next_night(self) -> tuple[date, datetime] | None:
        """The next night whose hour is not over, and the beginning of that hour; None if there is none to wait for."""
        due = self._get_time_due()
        if due is None or self._delay > START_WINDOW:
            return None
        today, now = self._office_clock.today(), self._office_clock.world.now()
        for night in (today + timedelta(days=days) for days in (-1, 0, 1, 2)):
            opens_at = self._office_clock.find_first_instant(night, due)
            if now <= opens_at + START_WINDOW and (self._last_attempt is None or opens_at > self._last_attempt):
                return night, opens_at
        return None

    def _may_start(self) -> bool:
        if self._aging.is_running:
            return False
        today = self._office_clock.today()
        if self._preferences.get(DATE_LAST_AGING) >= today.isoformat():
            return False
        if self._preferences.get(AGING_MONTHLY) == "1" and today.day != 1:
            return False
        begun = self._preferences.get(AGING_BEGIN_DATE_TIME)
        if not begun:
            return True
        age = self._office_clock.now() - datetime.fromisoformat(begun)
        return age >= CRASH_LOCK_EXPIRES_AFTER and _ignores_old_lock(self._preferences.get_version())

    def _get_time_due(self) -> time | None:
        written = self._preferences.get(AGING_SERVICE_TIME_DUE)
        return datetime.fromisoformat(written).time() if written else None


def _ignores_old_lock(version: tuple[int, ...]) -> bool:
    branches = [first for first in CRASH_LOCK_EXPIRES_IN if first[:2] <= version[:2]]
    return bool(branches) and version >= branches[-1]
