"""The state of the fleet: from the running daemon, or else from the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oddaemon.admin.inspection import FleetDocument
from oddaemon.admin.office_details import DataSource, OfficeDetails, build_office_details
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import fail_unknown_office, load_settings
from oddaemon.cli.sources.daemon_client import DaemonUnavailable, VersionMismatch, fetch_document
from oddaemon.cli.sources.database import read_database
from oddaemon.cli.sources.removed_offices import describe_removed_office, read_removed_offices
from oddaemon.core.model import Condition, OfficeSpec, PublishedSnapshot
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.status_document import OfficeStatus, make_status_document
from oddaemon.engine.offices.fleet_state import make_office_status
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store import journal, offices
from oddaemon.store.database import Database


@dataclass(frozen=True, slots=True)
class OfficeRecord:
    """One office: its configuration and what is stored of it."""

    id: str
    name: str
    settings: OfficeSettings | None
    """None: the daemon still watches it, the configuration no longer names it."""
    state: OfficeState | None
    snapshot: PublishedSnapshot | None

    def summarize(self, now: datetime) -> OfficeStatus:
        """The office as `status` shows it."""
        labels = () if self.settings is None else self.settings.spec.labels
        return make_office_status(
            OfficeSpec(self.id, self.name, labels=labels), self.state or make_initial_state(now), self.snapshot
        )

    def make_details(self, now: datetime, entries: Sequence[journal.JournalEntry] = ()) -> OfficeDetails:
        """The office as `explain` shows it."""
        office = None if self.settings is None else self.settings.spec
        return build_office_details(
            self.summarize(now),
            now,
            DataSource.DATABASE,
            spec=office,
            state=self.state,
            snapshot=self.snapshot,
            journal=entries,
        )


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The fleet at one moment."""

    document: FleetDocument
    remark: str = ""
    """Why it comes from the database; empty if it comes from the daemon."""


@dataclass(frozen=True, slots=True)
class OfficeReport:
    """One office at one moment."""

    document: OfficeDetails
    raw_document: Mapping[str, Any]
    """The same for `--json`, with its source and fields that a newer daemon may add."""
    remark: str = ""
    """As in `FleetReport`."""


def load_fleet(config: Path, now: datetime) -> FleetReport:
    """Every office, from the running daemon or else from the database; without either the command ends."""
    try:
        document, _ = fetch_document(config, "/status", FleetDocument)
        if not {office["condition"] for office in document["offices"]} <= set(Condition):
            raise VersionMismatch
        return FleetReport(document)
    except DaemonUnavailable as error:
        settings = load_settings(config)
        records = read_database(settings, lambda db: read_office_records(db, settings))
        status = make_status_document([each.summarize(now) for each in records], now)
        return FleetReport({**status, "source": DataSource.DATABASE.value, "daemon": None}, _make_remark(error))


def load_office(config: Path, office_id: str, entries: int, now: datetime) -> OfficeReport:
    """One office with the last entries of its journal; an unknown id ends the command."""
    target = f"/offices/{quote(office_id, safe='', errors='replace')}?journal={entries}"
    try:
        return OfficeReport(*fetch_document(config, target, OfficeDetails))
    except DaemonUnavailable as error:
        settings = load_settings(config)

        async def read(db: Database) -> OfficeDetails:
            record = await require_office_record(db, settings, office_id)
            return record.make_details(now, await journal.list_latest(db, office_id, entries))

        details = read_database(settings, read)
        return OfficeReport(details, {**details}, _make_remark(error))


def _make_remark(error: DaemonUnavailable) -> str:
    return f"{error.reason}; this is from the database"


async def read_office_records(db: Database, settings: Settings) -> list[OfficeRecord]:
    """Every office that is configured, or that the running daemon watches, ordered by id."""
    configured: Mapping[str, OfficeSettings] = {office.spec.id: office for office in settings.offices}
    stored = {
        row.id: OfficeRecord(row.id, row.name, configured.get(row.id), row.state, row.snapshot)
        for row in await offices.list_all(db)
        if row.is_configured or row.id in configured
    }
    new = {
        office_id: OfficeRecord(office_id, office.spec.name, office, None, None)
        for office_id, office in configured.items()
        if office_id not in stored
    }
    return [record for _, record in sorted({**stored, **new}.items())]


async def require_office_record(db: Database, settings: Settings, office_id: str) -> OfficeRecord:
    """One office; an unknown id ends the command."""
    records = {record.id: record for record in await read_office_records(db, settings)}
    if office_id in records:
        return records[office_id]
    for removed in await read_removed_offices(db, settings):
        if removed.id == office_id:
            raise fail(f"{office_id}: {describe_removed_office(removed)}; `oddaemon history {office_id}` shows it")
    raise fail_unknown_office(office_id, records)
