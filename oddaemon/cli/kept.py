"""Offices that were removed from the configuration: what is kept of each, and how it is told."""

from collections.abc import Mapping

import anyio

from oddaemon.core.status import instant
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.kept import KeptOffice, kept_offices


def kept_beside(settings: Settings) -> list[KeptOffice]:
    """Those in the database of a configuration.

    Raises:
        StoreError: It cannot be read.
    """

    async def read() -> list[KeptOffice]:
        async with Database.open_for_reading(settings.state.database) as db:
            return await kept_in(db, settings)

    return anyio.run(read)


async def kept_in(db: Database, settings: Settings) -> list[KeptOffice]:
    """The same of a database that is open."""
    return await kept_offices(db, {each.office.id for each in settings.offices})


def sentence(kept: KeptOffice) -> str:
    """What there is of it, since when nothing is added, and what ends that."""
    since = "" if kept.until is None else f" since {kept.until.astimezone():%Y-%m-%d}"
    snapshots = "1 snapshot" if kept.snapshots == 1 else f"{kept.snapshots:,} snapshots"
    days = "" if not kept.past_days else f" and {kept.past_days:,} past {'day' if kept.past_days == 1 else 'days'}"
    return f"removed, data kept{since}: {snapshots}{days}; `oddaemon office forget {kept.id}` removes it for good"


def kept_document(kept: KeptOffice) -> Mapping[str, object]:
    """The same for programs."""
    return {
        "id": kept.id,
        "name": kept.name,
        "kept_since": None if kept.until is None else instant(kept.until),
        "snapshots": kept.snapshots,
        "past_days": kept.past_days,
    }
