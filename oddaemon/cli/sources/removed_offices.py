"""Offices that were removed from the configuration and whose data is kept."""

from collections.abc import Callable

import anyio

from oddaemon.cli.sources.database import print_warning, warn_of_lost_log
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import Settings
from oddaemon.store.offices import OfficeRow, list_all
from oddaemon.store.opening import open_for_reading


def load_removed_offices(settings: Settings, warn: Callable[[str], None] = print_warning) -> list[OfficeRow]:
    """The removed offices in the database of a configuration.

    Raises:
        StoreError: It cannot be read.
    """
    configured = settings.offices

    async def read() -> list[OfficeRow]:
        async with open_for_reading(settings.state.database_url.reveal()) as db:
            warn_of_lost_log(db, warn)
            return [row for row in await list_all(db) if row.id not in configured]

    return anyio.run(read)


def describe_removed_office(removed: OfficeRow) -> str:
    """What is stored of it, since when it is unchanged, and how to erase it."""
    since = "" if removed.last_activity_at is None else f" since {removed.last_activity_at.astimezone():%Y-%m-%d}"
    days = f" and {format_count(removed.backfilled_days, 'past day')}" if removed.backfilled_days else ""
    return (
        f"removed, data kept{since}: {format_count(removed.snapshots, 'snapshot')}{days}; "
        f"`oddaemon office forget {removed.id}` erases it for good"
    )
