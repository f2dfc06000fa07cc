"""Offices that were removed from the configuration: what is kept of each, and how it is told."""

from collections.abc import Mapping

import anyio

from oddaemon.core.reporting.status_document import format_instant
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.offices import RemovedOffice, list_removed_offices
from oddaemon.store.sqlite.connection import SqliteDatabase


def load_removed_offices(settings: Settings) -> list[RemovedOffice]:
    """Those in the database of a configuration.

    Raises:
        StoreError: It cannot be read.
    """

    async def read() -> list[RemovedOffice]:
        async with SqliteDatabase.open_for_reading(settings.state.database) as db:
            return await read_removed_offices(db, settings)

    return anyio.run(read)


async def read_removed_offices(db: Database, settings: Settings) -> list[RemovedOffice]:
    """The same of a database that is open."""
    return await list_removed_offices(db, {each.office.id for each in settings.offices})


def describe_removed_office(removed: RemovedOffice) -> str:
    """What there is of it, since when nothing is added, and what ends that."""
    since = "" if removed.last_activity_at is None else f" since {removed.last_activity_at.astimezone():%Y-%m-%d}"
    snapshots = "1 snapshot" if removed.snapshots == 1 else f"{removed.snapshots:,} snapshots"
    days = (
        ""
        if not removed.backfilled_days
        else f" and {removed.backfilled_days:,} past {'day' if removed.backfilled_days == 1 else 'days'}"
    )
    return f"removed, data kept{since}: {snapshots}{days}; `oddaemon office forget {removed.id}` removes it for good"


def make_removed_document(removed: RemovedOffice) -> Mapping[str, object]:
    """The same for programs."""
    return {
        "id": removed.id,
        "name": removed.name,
        "data_until": None if removed.last_activity_at is None else format_instant(removed.last_activity_at),
        "snapshots": removed.snapshots,
        "backfilled_days": removed.backfilled_days,
    }
