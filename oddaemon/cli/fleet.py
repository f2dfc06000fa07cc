"""The fleet as the database knows it, read beside a running daemon or without one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

import anyio

from oddaemon.cli.failing import failure
from oddaemon.core.office import new_state
from oddaemon.core.state import OfficeState
from oddaemon.core.status import OfficeStatus
from oddaemon.engine.fleet import office_status, published_snapshot
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store import offices
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.snapshot_row import SnapshotRow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """One office: what the configuration wants of it, and what is remembered."""

    id: str
    name: str
    settings: OfficeSettings | None
    """None: the daemon still knows it, the configuration does not any more."""
    state: OfficeState | None
    snapshot: SnapshotRow | None

    def status(self, now: datetime) -> OfficeStatus:
        """The office as `status` tells it."""
        snapshot = None if self.snapshot is None else published_snapshot(self.snapshot)
        return office_status(self.id, self.name, self.state or new_state(now), snapshot)


def read_with(settings: Settings, read: Callable[[Database], Awaitable[T]]) -> T:
    """Run `read` with the database open for reading; what is wrong with the database ends the command."""

    async def whole() -> T:
        async with opened(settings) as db:
            return await read(db)

    return anyio.run(whole)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database, for reading; what is wrong with it ends the command with a message."""
    try:
        async with Database.open_for_reading(settings.state.database) as db:
            yield db
    except StoreError as error:
        raise failure(str(error)) from error


async def known_offices(db: Database, settings: Settings) -> list[Known]:
    """Every office that is wanted by the configuration or by the daemon that runs, ordered by id."""
    configured: Mapping[str, OfficeSettings] = {office.office.id: office for office in settings.offices}
    found = {
        row.id: Known(row.id, row.name, configured.get(row.id), row.state, row.snapshot)
        for row in await offices.standings(db)
        if row.wanted or row.id in configured
    }
    new = {
        office_id: Known(office_id, office.office.name, office, None, None)
        for office_id, office in configured.items()
        if office_id not in found
    }
    return [known for _, known in sorted({**found, **new}.items())]


async def known_office(db: Database, settings: Settings, office_id: str) -> Known:
    """One office; an unknown id ends the command with the nearest names."""
    fleet = {known.id: known for known in await known_offices(db, settings)}
    if office_id in fleet:
        return fleet[office_id]
    near = get_close_matches(office_id.casefold(), fleet, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`oddaemon status` lists all offices"
    raise failure(f"no office {office_id!r}; {hint}")
