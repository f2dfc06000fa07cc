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

from oddaemon.admin.inspection import DataSource, FleetDocument, OfficeDetailsDocument
from oddaemon.admin.office_details import OfficeContext, OfficeDetails, build_office_details
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.daemon_client import DaemonUnavailable, fetch_document
from oddaemon.cli.sources.removed_offices import describe_removed_office, read_removed_offices
from oddaemon.core.model import Condition, Office
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.status_document import OfficeSummary, make_status_document
from oddaemon.engine.offices.fleet_state import make_last_snapshot, make_office_summary
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store import journal, offices
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.snapshot_rows import SnapshotRow
from oddaemon.store.sqlite.connection import SqliteDatabase

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OfficeRecord:
    """One office: what the configuration wants of it, and what is remembered."""

    id: str
    name: str
    settings: OfficeSettings | None
    """None: the daemon still knows it, the configuration does not any more."""
    state: OfficeState | None
    snapshot: SnapshotRow | None

    def summarize(self, now: datetime) -> OfficeSummary:
        """The office as `status` tells it."""
        labels = () if self.settings is None else self.settings.office.labels
        snapshot = None if self.snapshot is None else make_last_snapshot(self.snapshot)
        return make_office_summary(
            Office(self.id, self.name, labels=labels), self.state or make_initial_state(now), snapshot
        )

    def make_details(self, now: datetime, entries: Sequence[journal.JournalEntry] = ()) -> OfficeDetails:
        """The office as `explain` tells it."""
        office = None if self.settings is None else self.settings.office
        return build_office_details(self.summarize(now), OfficeContext(office, self.state, self.snapshot, entries), now)


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The fleet at one moment."""

    document: FleetDocument
    remark: str = ""
    """Why it is the database that tells, for people; empty where the daemon does."""


@dataclass(frozen=True, slots=True)
class OfficeReport:
    """One office at one moment."""

    document: OfficeDetails
    raw_document: Mapping[str, Any]
    """The same for programs, with who told it and what a newer daemon may add."""
    remark: str = ""
    """As of `Told`."""


def load_fleet(config: Path, now: datetime) -> FleetReport:
    """Every office, by the running daemon; by the database where there is none. Neither ends the command."""
    try:
        return FleetReport(_fetch_fleet(config))
    except DaemonUnavailable as error:
        settings = load_settings(config)
        records = read_database(settings, lambda db: read_office_records(db, settings))
        document = make_status_document([each.summarize(now) for each in records], now)
        return FleetReport({**document, "source": DataSource.DATABASE.value, "daemon": None}, _make_remark(error))


def load_office(config: Path, office_id: str, entries: int, now: datetime) -> OfficeReport:
    """One office, with the last entries of its journal; an unknown id ends the command with the nearest ones."""
    target = f"/offices/{quote(office_id, safe='', errors='replace')}?journal={entries}"
    try:
        document, raw_document = fetch_document(config, target, OfficeDetailsDocument)
    except DaemonUnavailable as error:
        settings = load_settings(config)

        async def read(db: Database) -> OfficeDetails:
            record = await require_office_record(db, settings, office_id)
            return record.make_details(now, await journal.list_latest(db, office_id, entries))

        read_details = read_database(settings, read)
        return OfficeReport(read_details, {**read_details, "source": DataSource.DATABASE.value}, _make_remark(error))
    return OfficeReport(document, raw_document)


def _fetch_fleet(config: Path) -> FleetDocument:
    document, _ = fetch_document(config, "/status", FleetDocument)
    if not {office["condition"] for office in document["offices"]} <= set(Condition):
        raise DaemonUnavailable("the daemon is of a newer version than this command")
    return document


def _make_remark(error: DaemonUnavailable) -> str:
    return f"{error}; this is what the database says"


def read_database(settings: Settings, read: Callable[[Database], Awaitable[T]]) -> T:
    """Run `read` with the database open for reading; what is wrong with the database ends the command."""

    async def open_and_read() -> T:
        async with open_for_reading(settings) as db:
            return await read(db)

    return anyio.run(open_and_read)


@asynccontextmanager
async def open_for_reading(settings: Settings) -> AsyncIterator[SqliteDatabase]:
    """The database, for reading; what is wrong with it ends the command with a message."""
    try:
        async with SqliteDatabase.open_for_reading(settings.state.database) as db:
            yield db
    except StoreError as error:
        raise fail(str(error)) from error


async def read_office_records(db: Database, settings: Settings) -> list[OfficeRecord]:
    """Every office that is wanted by the configuration or by the daemon that runs, ordered by id."""
    configured: Mapping[str, OfficeSettings] = {office.office.id: office for office in settings.offices}
    stored = {
        row.id: OfficeRecord(row.id, row.name, configured.get(row.id), row.state, row.snapshot)
        for row in await offices.list_all(db)
        if row.is_configured or row.id in configured
    }
    new = {
        office_id: OfficeRecord(office_id, office.office.name, office, None, None)
        for office_id, office in configured.items()
        if office_id not in stored
    }
    return [record for _, record in sorted({**stored, **new}.items())]


async def require_office_record(db: Database, settings: Settings, office_id: str) -> OfficeRecord:
    """One office; an id of none ends the command: with what is kept of it, or with the nearest names."""
    records = {record.id: record for record in await read_office_records(db, settings)}
    if office_id in records:
        return records[office_id]
    for removed in await read_removed_offices(db, settings):
        if removed.id == office_id:
            raise fail(f"{office_id}: {describe_removed_office(removed)}; `oddaemon history {office_id}` shows it")
    nearest = get_close_matches(office_id.casefold(), records, cutoff=0.5)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else "`oddaemon status` lists all offices"
    raise fail(f"no office {office_id!r}; {hint}")
