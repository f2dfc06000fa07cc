"""The fleet as it stands: told by the running daemon, or else read from the database beside it or without one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import anyio

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.failing import failure
from oddaemon.cli.kept import kept_in, sentence
from oddaemon.cli.looking import SilenceError, look
from oddaemon.core.model import Condition, Office
from oddaemon.core.office import new_state
from oddaemon.core.state import OfficeState
from oddaemon.core.status import OfficeStatus, status_document
from oddaemon.engine.details import Background, OfficeDetails, office_details
from oddaemon.engine.fleet import office_status, published_snapshot
from oddaemon.engine.inspector import FleetDocument, Source, ToldDetails
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store import journal, offices
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
        labels = () if self.settings is None else self.settings.office.labels
        snapshot = None if self.snapshot is None else published_snapshot(self.snapshot)
        return office_status(Office(self.id, self.name, labels=labels), self.state or new_state(now), snapshot)

    def details(self, now: datetime, entries: Sequence[journal.Entry] = ()) -> OfficeDetails:
        """The office as `explain` tells it."""
        office = None if self.settings is None else self.settings.office
        return office_details(self.status(now), Background(office, self.state, self.snapshot, entries), now)


@dataclass(frozen=True, slots=True)
class Told:
    """The fleet at one moment."""

    document: FleetDocument
    remark: str = ""
    """Why it is the database that tells, for people; empty where the daemon does."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One office at one moment."""

    document: OfficeDetails
    whole: Mapping[str, Any]
    """The same for programs, with who told it and what a newer daemon may add."""
    remark: str = ""
    """As of `Told`."""


def fleet_told(config: Path, now: datetime) -> Told:
    """Every office, by the running daemon; by the database where there is none. Neither ends the command."""
    try:
        return Told(_understood(config))
    except SilenceError as silence:
        settings = settings_of(config)
        known = read_with(settings, lambda db: known_offices(db, settings))
        document = status_document([each.status(now) for each in known], now)
        return Told({**document, "source": Source.DATABASE.value, "daemon": None}, _remark(silence))


def office_told(config: Path, office_id: str, entries: int, now: datetime) -> Explained:
    """One office, with the last entries of its journal; an unknown id ends the command with the nearest ones."""
    target = f"/offices/{quote(office_id, safe='', errors='replace')}?journal={entries}"
    try:
        document, whole = look(config, target, ToldDetails)
    except SilenceError as silence:
        settings = settings_of(config)

        async def read(db: Database) -> OfficeDetails:
            known = await known_office(db, settings, office_id)
            return known.details(now, await journal.latest(db, office_id, entries))

        read_details = read_with(settings, read)
        return Explained(read_details, {**read_details, "source": Source.DATABASE.value}, _remark(silence))
    return Explained(document, whole)


def _understood(config: Path) -> FleetDocument:
    document, _ = look(config, "/status", FleetDocument)
    if not {office["condition"] for office in document["offices"]} <= set(Condition):
        raise SilenceError("the daemon is of a newer version than this command")
    return document


def _remark(silence: SilenceError) -> str:
    return f"{silence}; this is what the database says"


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
    """One office; an id of none ends the command: with what is kept of it, or with the nearest names."""
    fleet = {known.id: known for known in await known_offices(db, settings)}
    if office_id in fleet:
        return fleet[office_id]
    for kept in await kept_in(db, settings):
        if kept.id == office_id:
            raise failure(f"{office_id}: {sentence(kept)}; `oddaemon history {office_id}` shows it")
    near = get_close_matches(office_id.casefold(), fleet, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`oddaemon status` lists all offices"
    raise failure(f"no office {office_id!r}; {hint}")
