"""The state of the fleet: from the running daemon, or else from the database."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from oddaemon.admin.inspection import FleetDocument
from oddaemon.admin.office_details import DataSource, OfficeDetails, build_office_details
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import fail_unknown_office, load_settings
from oddaemon.cli.sources.daemon_client import DaemonUnavailable, VersionMismatch, fetch_document, make_target
from oddaemon.cli.sources.database import read_database
from oddaemon.cli.sources.removed_offices import describe_removed_office
from oddaemon.core.fleet.overview import FleetOverview
from oddaemon.core.model import Condition, OfficeSpec
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.reporting.deadlines import get_known_since
from oddaemon.core.reporting.fleet_document import FleetOverviewDocument, make_overview_document
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.core.reporting.status_document import OfficeStatus, make_status_document
from oddaemon.engine.offices.fleet_state import make_office_status
from oddaemon.settings import Settings
from oddaemon.store import journal, offices
from oddaemon.store.database import Database
from oddaemon.store.fleet.overview import read_overview
from oddaemon.store.offices import OfficeRow

T = TypeVar("T")
KnownOffice = tuple[OfficeSpec, OfficeRow]
"""As configured and as stored; the spec of an office that is no longer configured has only its id and name."""


class SourcedDocument(NamedTuple, Generic[T]):
    """A document of one moment, as `--json` writes it."""

    document: T
    remark: str = ""
    """Why it comes from the database; empty if it comes from the daemon."""


def load_fleet(config: Path, now: datetime) -> SourcedDocument[FleetDocument]:
    """Every office, from the running daemon or else from the database; without either the command ends."""
    try:
        document = fetch_document(config, "/status", FleetDocument)
        if not {office["condition"] for office in document["offices"]} <= set(Condition):
            raise VersionMismatch
        return SourcedDocument(document)
    except DaemonUnavailable as error:
        settings = load_settings(config)

        async def read_fleet(db: Database) -> FleetDocument:
            return make_fleet_document(
                (await read_offices(db, settings)).values(), now, await read_overview_if_fleet(db, settings)
            )

        return _read_sourced(settings, read_fleet, error)


def load_members(config: Path) -> SourcedDocument[FleetOverviewDocument]:
    """The hosts of the fleet, from the running daemon or else from the database; without a fleet the command ends."""
    try:
        return SourcedDocument(fetch_document(config, "/fleet", FleetOverviewDocument))
    except DaemonUnavailable as error:
        settings = load_settings(config)
        if not settings.state.is_postgresql:
            raise fail(
                f"the database {settings.state.where} is a file, which one daemon uses: there is no fleet of hosts"
            ) from None

        async def read(db: Database) -> FleetOverviewDocument:
            return make_overview_document(await read_overview(db))

        return _read_sourced(settings, read, error)


def load_office(config: Path, office_id: str, entries: int, now: datetime) -> SourcedDocument[OfficeDetails]:
    """One office with the last entries of its journal; an unknown id ends the command."""
    target = make_target("offices", office_id, journal=entries)
    try:
        return SourcedDocument(fetch_document(config, target, OfficeDetails))
    except DaemonUnavailable as error:
        settings = load_settings(config)

        async def read(db: Database) -> OfficeDetails:
            spec, row = await require_office(db, settings, office_id)
            overview = await read_overview_if_fleet(db, settings)
            return make_details(spec, row, now, await journal.list_latest(db, office_id, entries), overview)

        return _read_sourced(settings, read, error)


def _read_sourced(
    settings: Settings, read: Callable[[Database], Awaitable[T]], error: DaemonUnavailable
) -> SourcedDocument[T]:
    remarks = [f"{error.reason}; this is from the database"]
    document = read_database(settings, read, remarks.append)
    return SourcedDocument(document, ". ".join(remarks).rstrip("."))


async def read_offices(db: Database, settings: Settings) -> dict[str, KnownOffice]:
    """Every office that is configured, or that the running daemon watches, ordered by id."""
    configured = {office_id: office.spec for office_id, office in settings.offices.items()}
    known = {spec.id: (spec, _make_new_row(spec)) for spec in configured.values()}
    for row in await offices.list_all(db):
        if row.is_configured or row.id in configured:
            known[row.id] = replace(configured.get(row.id, OfficeSpec(row.id, row.name)), name=row.name), row
    return dict(sorted(known.items()))


async def read_overview_if_fleet(db: Database, settings: Settings) -> FleetOverview | None:
    """The hosts of the fleet; None: the database is a file, which one daemon uses."""
    return await read_overview(db) if settings.state.is_postgresql else None


async def require_office(db: Database, settings: Settings, office_id: str) -> KnownOffice:
    """One office; an unknown id ends the command."""
    known = await read_offices(db, settings)
    if office_id in known:
        return known[office_id]
    for row in await offices.list_all(db):
        if row.id == office_id:
            raise fail(f"{office_id}: {describe_removed_office(row)}; `oddaemon history {office_id}` shows it")
    raise fail_unknown_office(office_id, known)


def make_status(spec: OfficeSpec, row: OfficeRow, now: datetime, overview: FleetOverview | None = None) -> OfficeStatus:
    """The office as `status` shows it."""
    state = row.state or make_initial_state(now)
    runtime = OfficeRuntime(spec, state, get_known_since(state), row.snapshot)
    if overview is not None and (holder := overview.holders.get(spec.id)) is not None:
        runtime.host, runtime.held_since = holder.host, holder.since
    return make_office_status(runtime)


def make_details(
    spec: OfficeSpec,
    row: OfficeRow,
    now: datetime,
    entries: Iterable[journal.JournalEntry] = (),
    overview: FleetOverview | None = None,
) -> OfficeDetails:
    """The office as `explain` shows it."""
    return build_office_details(
        make_status(spec, row, now, overview),
        now,
        DataSource.DATABASE,
        spec=spec,
        state=row.state,
        snapshot=row.snapshot,
        journal=entries,
    )


def make_fleet_document(
    known: Iterable[KnownOffice], now: datetime, overview: FleetOverview | None = None
) -> FleetDocument:
    """The offices as `status --json` writes them without a daemon."""
    status = make_status_document([make_status(spec, row, now, overview) for spec, row in known], now, overview)
    return {**status, "source": DataSource.DATABASE.value, "daemon": None}


def _make_new_row(spec: OfficeSpec) -> OfficeRow:
    """Of an office that the daemon has not stored yet."""
    return OfficeRow(spec.id, spec.name, True, None, None, 0, 0, None)
