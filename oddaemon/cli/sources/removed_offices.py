"""Offices that were removed from the configuration and whose data is kept."""

from collections.abc import Mapping

import anyio

from oddaemon.core.reporting.formatting import format_count, format_instant
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.offices import OfficeRow, list_all
from oddaemon.store.sqlite.connection import SqliteDatabase


def load_removed_offices(settings: Settings) -> list[OfficeRow]:
    """The removed offices in the database of a configuration.

    Raises:
        StoreError: It cannot be read.
    """

    async def read() -> list[OfficeRow]:
        async with SqliteDatabase.open_for_reading(settings.state.database) as db:
            return await read_removed_offices(db, settings)

    return anyio.run(read)


async def read_removed_offices(db: Database, settings: Settings) -> list[OfficeRow]:
    """The removed offices in an open database."""
    configured = {each.spec.id for each in settings.offices}
    return [row for row in await list_all(db) if row.id not in configured]


def describe_removed_office(removed: OfficeRow) -> str:
    """What is stored of it, since when it is unchanged, and how to erase it."""
    since = "" if removed.last_activity_at is None else f" since {removed.last_activity_at.astimezone():%Y-%m-%d}"
    days = f" and {format_count(removed.backfilled_days, 'past day')}" if removed.backfilled_days else ""
    return (
        f"removed, data kept{since}: {format_count(removed.snapshots, 'snapshot')}{days}; "
        f"`oddaemon office forget {removed.id}` erases it for good"
    )


def make_removed_document(removed: OfficeRow) -> Mapping[str, object]:
    """The same as JSON."""
    return {
        "id": removed.id,
        "name": removed.name,
        "data_until": None if removed.last_activity_at is None else format_instant(removed.last_activity_at),
        "snapshots": removed.snapshots,
        "backfilled_days": removed.backfilled_days,
    }
