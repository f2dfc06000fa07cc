"""The keys, options and settings that follow from a scenario, and a place for its database."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from oddaemon.core.model import Cadence
from oddaemon.settings import (
    AlertSettings,
    ApiSettings,
    HttpSettings,
    MaintenanceSettings,
    OfficeSettings,
    Secret,
    Settings,
    StateSettings,
)
from oddaemon.simulator.api.keys import ApiKey, Mode, Permission
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.virtual_time import VirtualLoop
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.simulation.scenario.fleet import DEVELOPER_KEY, FleetMember
from tests.simulation.scenario.scenario import Scenario
from tests.simulation.scenario.seeded_random import draw_chance, make_rng

MAX_IN_FLIGHT = 3
MAX_REQUESTS_PER_SECOND = 5.0
"""So low that a few offices reach them."""
DISK_CHECK_SECONDS = 7200.0
"""The disk never fails here, and a check every half minute of a week would take longer than everything else."""
DEADLINE_CHECK_SECONDS = 900.0
"""A check a minute, as by default, was a quarter of a seed's time; its result is the same a little later."""
MINUTELY_SHARE = 0.1
"""Of seeds that keep the default nevertheless."""


def make_key(member: FleetMember) -> ApiKey:
    """The key of an office, with the permissions that its request interval needs."""
    return ApiKey(
        member.settings.credentials.customer_key.reveal(),
        member.id,
        Permission.ENTERPRISE if member.settings.credentials.min_interval_seconds == 0.5 else Permission.QUERIES,
        Mode.REMOTE if member.settings.credentials.remote else Mode.LOCAL,
        rows_override=member.rows_max,
    )


def make_options(seed: int) -> HeadquartersOptions:
    """The options of headquarters whose observed behaviour varies."""
    rng = make_rng(seed, "options")
    return HeadquartersOptions(
        developer_key=DEVELOPER_KEY,
        offset_gives_everything=draw_chance(rng, 0.8),
        filters_ignored=draw_chance(rng, 0.1),
        absent_is_404=draw_chance(rng, 0.3),
        base_seconds=rng.choice((0.05, 0.3, 1.5)),
    )


def make_settings(scenario: Scenario, directory: Path) -> Settings:
    """The whole configuration that a scenario begins with."""
    return Settings(
        source=directory / "oddaemon.toml",
        api=ApiSettings(
            developer_key=Secret(DEVELOPER_KEY),
            max_in_flight=MAX_IN_FLIGHT,
            max_requests_per_second=MAX_REQUESTS_PER_SECOND,
        ),
        state=StateSettings(database_url=Secret(str(directory / "state.db")), look_seconds=DISK_CHECK_SECONDS),
        http=HttpSettings(),
        alerts=_make_alerts(scenario.seed),
        maintenance=MaintenanceSettings.make_disabled(),
        offices={each.id: set_cadence(each.settings, scenario.fleet.cadence) for each in scenario.fleet.members},
    )


def _make_alerts(seed: int) -> AlertSettings:
    is_minutely = draw_chance(make_rng(seed, "deadlines"), MINUTELY_SHARE)
    return AlertSettings() if is_minutely else AlertSettings(look_seconds=DEADLINE_CHECK_SECONDS)


def set_cadence(office: OfficeSettings, cadence: Cadence) -> OfficeSettings:
    """The office with the scenario's cadence, as loading a configuration file would set it."""
    return replace(office, spec=replace(office.spec, cadence=cadence))


@contextmanager
def memory_directory() -> Iterator[Path]:
    """A directory for a database that need not outlive the process."""
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as directory:
        yield Path(directory)


def wait_for_database_threads() -> None:
    """The virtual loop waits for the database's threads, and never jumps over them."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "a scenario is played on virtual time"
    loop.track_calls(lambda: SqliteDatabase.calls_in_flight)
