"""The faults that alerts are for, one a scene: each is lived through by a simulated fleet and brings a recording.

Most troubles begin at ten past one on the office's clock and are over before every `fresh_by`, so that the alert
for the trouble fires and not the one for the morning that it would spoil.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio

from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.settings import AlertSettings, BadConfiguration, DaemonSettings, MaintenanceSettings, Secret
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    Fault,
    FaultWindow,
    GatewayError,
    KeyDisabled,
    ScheduledFault,
    TooManyRequests,
)
from oddaemon.simulator.faults.row_corruption import get_alteration
from oddaemon.simulator.model.spec import PracticeSpec
from tests.alerts.blocked_line_writer import blocked_line_writer
from tests.alerts.promtool import ScrapeRecording
from tests.alerts.scraped_daemon import FLEET, scraped_daemon
from tests.engine.config_files import make_config_files, write_private
from tests.engine.night import make_office_settings, time_after_start
from tests.store.held_database import hold_reading

ScenarioFunction = Callable[[Path], Awaitable[ScrapeRecording]]
PAIR = FLEET[:2]
FAULT_START = time_after_start(minutes=10)
FRESH_BY = time_after_start(hours=6)
BEFORE_FRESH_BY = FRESH_BY - timedelta(minutes=30)
DAY = timedelta(days=1)
TWO_RESTARTS = DaemonSettings(restarts_max=2)


@dataclass(frozen=True)
class FaultScenario:
    """A fault, and every alert that it fires, by name; the watchdog always does."""

    name: str
    alerts: str
    run: ScenarioFunction


SCENARIOS: list[FaultScenario] = []


def expect_alerts(*alerts: str) -> Callable[[ScenarioFunction], ScenarioFunction]:
    """This scene fires exactly these."""

    def register(run: ScenarioFunction) -> ScenarioFunction:
        SCENARIOS.append(FaultScenario(run.__name__, " ".join(sorted(alerts)), run))
        return run

    return register


def schedule_fault(fault: Fault, hours: float, *office_ids: str) -> ScheduledFault:
    """The trouble of some offices, or of all, for so long."""
    return ScheduledFault(fault, frozenset(office_ids), FaultWindow(FAULT_START, FAULT_START + timedelta(hours=hours)))


async def record_until_morning(directory: Path, **options: Any) -> ScrapeRecording:
    """A daemon with these options, scraped until shortly before the deadline of the morning."""
    async with scraped_daemon(directory, **options) as found:
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


# --- nothing at all ---------------------------------------------------------------------------------------------------


@expect_alerts()
async def quiet_day(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, interval_seconds=120) as found:
        await found.world.sleep_until(time_after_start(hours=30))
    return found.recording


@expect_alerts()
async def office_down_for_an_hour(directory: Path) -> ScrapeRecording:
    return await record_until_morning(directory, specs=PAIR, faults=[schedule_fault(EConnectorDown(), 1, "smile")])


@expect_alerts()
async def paused_office_past_deadline(directory: Path) -> ScrapeRecording:
    offices = [make_office_settings("smile", enabled=False), make_office_settings("ash")]
    async with scraped_daemon(directory, specs=PAIR, offices=offices, interval_seconds=120) as found:
        await found.world.sleep_until(FRESH_BY + DAY / 2)
    return found.recording


# --- the morning ------------------------------------------------------------------------------------------------------


def make_late_specs(count: int) -> list[PracticeSpec]:
    """The fleet, with this number of runs that end at half past seven."""
    return [
        replace(spec, service_time_due="06:50:00", run_seconds=2400.0) if number < count else spec
        for number, spec in enumerate(FLEET)
    ]


@expect_alerts("FreshByMissed")
async def aging_past_deadline(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=make_late_specs(1)) as found:
        await found.world.sleep_until(FRESH_BY + timedelta(hours=1))
    return found.recording


@expect_alerts("FreshByMissed", "FleetMissed")
async def aging_past_deadline_in_most_offices(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=make_late_specs(3)) as found:
        await found.world.sleep_until(FRESH_BY + timedelta(hours=1))
    return found.recording


@expect_alerts("FreshByMissed", "TwoNightsMissed")
async def aging_service_off_for_two_nights(directory: Path) -> ScrapeRecording:
    specs = [replace(FLEET[0], start_delay_seconds=7200.0), FLEET[1]]
    async with scraped_daemon(directory, specs=specs, interval_seconds=240) as found:
        await found.world.sleep_until(FRESH_BY + DAY + timedelta(minutes=30))
    return found.recording


@expect_alerts("FreshByMissed", "NothingPublished")
async def aging_service_off_everywhere(directory: Path) -> ScrapeRecording:
    specs = [replace(spec, start_delay_seconds=7200.0) for spec in PAIR]
    async with scraped_daemon(directory, specs=specs, interval_seconds=240) as found:
        await found.world.sleep_until(FRESH_BY + DAY - timedelta(minutes=30))
    return found.recording


# --- one office -------------------------------------------------------------------------------------------------------


@expect_alerts("OfficeUnreachable")
async def econnector_down_for_hours(directory: Path) -> ScrapeRecording:
    return await record_until_morning(directory, specs=PAIR, faults=[schedule_fault(EConnectorDown(), 3.5, "smile")])


@expect_alerts("OfficeBlocked")
async def disabled_customer_key(directory: Path) -> ScrapeRecording:
    return await record_until_morning(directory, specs=PAIR, faults=[schedule_fault(KeyDisabled(), 3, "smile")])


@expect_alerts("OfficeSuspect")
async def rows_that_never_match_totals(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(
        directory, specs=PAIR, faults=[schedule_fault(get_alteration("one_cent_more"), 3.5, "smile")]
    ) as found:
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("WorkerCrashed")
async def worker_crash(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR, crashes=True) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes["smile"] = 1
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("OfficeQuarantined")
async def repeated_worker_crashes(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR, daemon=TWO_RESTARTS, crashes=True) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes["smile"] = 1000
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


# The first ones crash before the third does.
@expect_alerts("ManyOfficesQuarantined", "OfficeQuarantined")
async def one_bug_in_three_offices(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, daemon=TWO_RESTARTS, crashes=True) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes.update(smile=1000, ash=1000, birch=1000)
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("ClockMismatch")
async def server_clock_in_wrong_zone(directory: Path) -> ScrapeRecording:
    specs = [replace(FLEET[0], clock_skew_seconds=3600.0), FLEET[1]]
    async with scraped_daemon(directory, specs=specs) as found:
        await found.world.sleep_until(FAULT_START + timedelta(hours=1))
    return found.recording


# --- what all offices share -------------------------------------------------------------------------------------------


@expect_alerts("HeadquartersDown")
async def headquarters_outage(directory: Path) -> ScrapeRecording:
    return await record_until_morning(directory, faults=[schedule_fault(GatewayError(503), 3)])


@expect_alerts("ApiHostUnusable")
async def certificate_of_the_api_is_refused(directory: Path) -> ScrapeRecording:
    refused = BrokenConnection(ConnectionFailure.UNTRUSTED)
    return await record_until_morning(directory, faults=[schedule_fault(refused, 3)])


@expect_alerts("Throttled")
async def api_throttles_shared_keys(directory: Path) -> ScrapeRecording:
    busy = schedule_fault(TooManyRequests("20"), 3)
    return await record_until_morning(directory, faults=[replace(busy, chance=0.5)])


# --- the daemon itself ------------------------------------------------------------------------------------------------


@expect_alerts("Down")
async def daemon_down(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        await found.world.sleep_until(FAULT_START)
        await found.world.crash()
        await found.world.sleep_until(FAULT_START + timedelta(minutes=20))
        await found.world.start()
        await found.world.sleep_until(FAULT_START + timedelta(hours=2))
    return found.recording


@expect_alerts("Restarting")
async def daemon_restart_loop(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        for restart in range(4):
            await found.world.sleep_until(FAULT_START + restart * timedelta(minutes=10, seconds=30))
            await found.world.crash()
            await found.world.start()
        await found.world.sleep_until(FAULT_START + timedelta(hours=2))
    return found.recording


@expect_alerts("NotReady")
async def drain_that_hangs(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(
        directory, specs=PAIR, faults=[schedule_fault(BrokenConnection(ConnectionFailure.STALL), 2)]
    ) as found:
        world = found.world
        await world.crash()
        long_timeout_api = world.settings.api.model_copy(update={"request_timeout_seconds": 1800.0})
        daemon = DaemonSettings(drain_seconds=1500.0)
        await world.start(replace(world.settings, api=long_timeout_api, daemon=daemon))
        await world.sleep_until(FAULT_START)
        await world.wait_until(lambda: "oddaemon_requests_in_flight 0.0" not in world.render_metrics())
        await world.drain()
    return found.recording


@expect_alerts("EngineStalled")
async def held_database_lock(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        await found.world.sleep_until(FAULT_START)
        async with found.world.database._require_writer().lock:
            await found.world.wait_for_event("engine_stalled")
            await anyio.sleep(1200)
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("StoreUnhealthy")
async def read_only_database(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        await found.world.sleep_until(FAULT_START)
        await found.world.database.execute_one("PRAGMA query_only = ON")
        await found.world.sleep_until(FAULT_START + timedelta(hours=1, minutes=30))
        await found.world.database.execute_one("PRAGMA query_only = OFF")
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("StoreSlow")
async def slow_disk(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        await found.world.sleep_until(FAULT_START)
        for _ in range(5):
            # No write takes any time here, whatever the disk does.
            found.world.database.slowest_write_seconds = 3.5
            await anyio.sleep(300)
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("StoreLogGrows")
async def reader_holds_the_log(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        await found.world.sleep_until(FAULT_START)
        with hold_reading(found.world.database):
            await found.world.database.execute_one("CREATE TABLE large AS SELECT zeroblob(80000000)")
            await found.world.database.execute_one("DROP TABLE large")
            await found.world.sleep_until(FAULT_START + timedelta(hours=3))
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("ConfigRejected")
async def invalid_config_reload(directory: Path) -> ScrapeRecording:
    files = make_config_files(directory, "smile", "ash")
    async with scraped_daemon(directory, specs=PAIR, settings=files.write_and_load()) as found:
        await found.world.sleep_until(FAULT_START)
        write_private(files.directory / "ash.toml", "[[office]\n")
        try:
            await found.world.daemon.reload(ReloadTrigger.SIGNAL)
        except BadConfiguration:
            await found.world.sleep_until(FAULT_START + timedelta(minutes=30))
        files.write_and_load()
        await found.world.daemon.reload(ReloadTrigger.SIGNAL)
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("BackgroundTaskCrashed")
async def background_task_crash(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR, crashes=True) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes["store health"] = 1
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("BackgroundTaskCrashed", "BackgroundTaskFailing")
async def background_task_that_crashes_for_an_hour(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR, crashes=True) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes["store health"] = 120
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("MaintenanceFailed")
async def backup_directory_missing(directory: Path) -> ScrapeRecording:
    never = MaintenanceSettings.make_disabled()
    backup = never.model_copy(update={"backup": "20 * * * *", "backup_directory": directory / "unmounted"})
    return await record_until_morning(directory, specs=PAIR, maintenance=backup)


@expect_alerts("LogLinesLost")
async def blocked_log_output(directory: Path) -> ScrapeRecording:
    with blocked_line_writer() as lost:
        async with scraped_daemon(directory, specs=PAIR) as found:
            await found.world.sleep_until(FAULT_START)
            assert found.world._telemetry is not None
            found.world._telemetry._count_lost = lost
            await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("PingFailed")
async def unreachable_ping_target(directory: Path) -> ScrapeRecording:
    async with scraped_daemon(directory, specs=PAIR) as found:
        alerts = AlertSettings(ping_url=Secret("http://127.0.0.1:9/gone"))
        await found.world.apply(replace(found.world.settings, alerts=alerts))
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording
