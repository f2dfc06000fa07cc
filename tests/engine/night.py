"""A whole daemon against a whole simulated headquarters, in one event loop on virtual time.

However a night ends, it is held against `promises.py`: a test says only what is special about it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio

from oddaemon.core.model import Cadence, OfficeCredentials, OfficeSpec
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.settings import (
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    MaintenanceSettings,
    OfficeSettings,
    Secret,
    Settings,
    SinkSettings,
    StateSettings,
)
from oddaemon.simulator.api.keys import ApiKey, Mode, Permission
from oddaemon.simulator.faults.faults import Fault, FaultSchedule, FaultWindow, ScheduledFault
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.virtual_time import VirtualLoop
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.invariants import assert_invariants
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.engine.upload_network import UploadNetwork
from tests.engine.world import World

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
BEFORE_DAWN = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
"""01:00 in Los Angeles on 3 March: aging of 2 March has run, tonight's is due in an hour."""
DUE = BEFORE_DAWN + timedelta(hours=1)
MAX_IN_FLIGHT = 8
MAX_REQUESTS_PER_SECOND = 50.0

SMILE = PracticeSpec("smile", seed=1)
SMALL = PracticeSpec("smile", seed=1, guarantors=40, settled=10)


def time_after_start(**since_base: float) -> datetime:
    """An instant of the first night: so much later than its beginning."""
    return BEFORE_DAWN + timedelta(**since_base)


def schedule_fault(
    fault: Fault, begins: datetime = BEFORE_DAWN, ends: datetime | None = None, **options: Any
) -> ScheduledFault:
    """A fault at `smile` from an instant on."""
    window = FaultWindow(begins) if ends is None else FaultWindow(begins, ends)
    options.setdefault("office_ids", frozenset({"smile"}))
    return ScheduledFault(fault, window=window, **options)


def index_offices(offices: Iterable[OfficeSettings]) -> dict[str, OfficeSettings]:
    return {each.spec.id: each for each in offices}


def replace_offices(settings: Settings, offices: Iterable[OfficeSettings]) -> Settings:
    return replace(settings, offices=index_offices(offices))


def make_office_settings(
    office_id: str = "smile", *, remote: bool = True, interval: float = 1.0, key: str = "", **overrides: Any
) -> OfficeSettings:
    overrides.setdefault("zone", LOS_ANGELES)
    overrides.setdefault("page_rows", 100 if remote else 1000)
    return OfficeSettings(
        spec=OfficeSpec(office_id, office_id.title(), **overrides),
        credentials=OfficeCredentials(
            office_id,
            API.developer_key,
            Secret(key or CUSTOMER_KEY_PREFIX + office_id),
            "http://127.0.0.1:1/api/v1",
            interval if remote else 0.0,
            remote,
        ),
        source=Path("offices.toml"),
    )


def replace_credentials(settings: OfficeSettings, **values: Any) -> OfficeSettings:
    return replace(settings, credentials=replace(settings.credentials, **values))


API = ApiSettings(
    developer_key=Secret("planted-developer-key"),
    max_in_flight=MAX_IN_FLIGHT,
    max_requests_per_second=MAX_REQUESTS_PER_SECOND,
)


@asynccontextmanager
async def night(
    directory: Path,
    specs: Sequence[PracticeSpec] = (SMILE,),
    offices: Sequence[OfficeSettings] | None = None,
    *,
    faults: Iterable[ScheduledFault] = (),
    options: HeadquartersOptions | None = None,
    rows_max: Mapping[str, int] | None = None,
    keys: Iterable[ApiKey] | None = None,
    cadence: Cadence | None = None,
    daemon: DaemonSettings | None = None,
    settings: Settings | None = None,
    maintenance: MaintenanceSettings | None = None,
    sinks: Sequence[SinkSettings] = (),
    make_sink: SinkFactory | None = None,
    base: datetime = BEFORE_DAWN,
    running: bool = True,
    crashes: bool = False,
) -> AsyncIterator[World]:
    """A world at work, with a running daemon by default; at its end the invariants are checked.

    Args:
        offices: The wanted offices; None: one for each practice.
        rows_max: Page caps other than the documented ones, by office.
        keys: What headquarters accepts; None: one key for each practice.
        settings: As they were read from files, instead of everything that makes them; the database is in `directory`.
        maintenance: None: no job at all.
        crashes: Whether a worker is meant to crash.
    """
    clock, upload_network = WorldClock(base), UploadNetwork(directory)
    if settings is None:
        wanted = offices if offices is not None else [make_office_settings(spec.office_id) for spec in specs]
        paced = [replace(each, spec=replace(each.spec, cadence=cadence or Cadence())) for each in wanted]
        settings = Settings(
            source=directory / "oddaemon.toml",
            api=API,
            state=StateSettings(database_url=Secret(str(directory / "state.db"))),
            http=HttpSettings(),
            daemon=daemon or DaemonSettings(),
            maintenance=maintenance or MaintenanceSettings.make_disabled(),
            offices=index_offices(paced),
            sinks=tuple(sinks),
        )
    near = {each.spec.id for each in settings.offices.values() if not each.credentials.remote}
    accepted = keys if keys is not None else [_make_key(spec.office_id, near, rows_max or {}) for spec in specs]
    headquarters = Headquarters(
        clock,
        [Practice(spec, clock) for spec in specs],
        accepted,
        replace(options or HeadquartersOptions(), developer_key="planted-developer-key"),
        FaultSchedule(1, faults),
        upload=upload_network.upload,
    )
    async with anyio.create_task_group() as tasks:
        world = World(clock, headquarters, settings, tasks, make_sink, upload_network)
        yield await _begin(world, running=running)
        if world.is_running:
            await world.crash()
        await assert_invariants(world, crashes=crashes)
        tasks.cancel_scope.cancel()


async def _begin(world: World, *, running: bool) -> World:
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.track_calls(lambda: SqliteDatabase.calls_in_flight)
    for practice in world.headquarters.practices.values():
        world.tasks.start_soon(practice.run)
    world.tasks.start_soon(world.headquarters.run_uploads)
    if running:
        await world.start()
    return world


def _make_key(office_id: str, near: set[str], rows_max: Mapping[str, int]) -> ApiKey:
    return ApiKey(
        CUSTOMER_KEY_PREFIX + office_id,
        office_id,
        Permission.QUERIES,
        Mode.LOCAL if office_id in near else Mode.REMOTE,
        rows_override=rows_max.get(office_id),
    )
