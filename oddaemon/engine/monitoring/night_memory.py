"""What was reported of the nights, kept in the database for the next daemon that watches over them."""

from collections.abc import Callable
from datetime import datetime

from oddaemon.core.fleet.lease import LeaseKind, Role
from oddaemon.engine.fleet.holder import LeaseHolder
from oddaemon.engine.monitoring.freshness_monitor import ReportedNights
from oddaemon.store.fleet import reported_nights


class FleetNightMemory:
    """As `NightMemory`."""

    def __init__(self, holder: LeaseHolder, now: Callable[[], datetime]) -> None:
        self._database = holder.get_database(LeaseKind.ROLE, Role.FRESHNESS_MONITOR)
        self._now = now

    async def load(self) -> ReportedNights:
        """As `NightMemory.load`."""
        return await reported_nights.load(self._database, ReportedNights) or ReportedNights()

    async def save(self, reported: ReportedNights) -> None:
        """As `NightMemory.save`."""
        await reported_nights.save(self._database, reported, self._now())
