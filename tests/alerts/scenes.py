"""The faults that alerts are for, one a scene: each is lived through by a simulated fleet and brings a recording.

Most troubles begin at ten past one on the office's clock and are over before anybody's `fresh_by`, so that the alert
for the trouble fires and not the one for the morning that it would spoil.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import anyio

from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.settings import AlertSettings, BadConfiguration, DaemonSettings, MaintenanceSettings, Secret
from oddaemon.simulator.api.messages import ConnectionFailure
from oddaemon.simulator.faults.faults import (
    BrokenConnection,
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
from oddaemon.telemetry.logging.writer import LineWriter
from tests.alerts.promtool import Recording
from tests.alerts.watching import FLEET, watched
from tests.engine.config_files import config_files, put
from tests.engine.night import after, office_settings
from tests.sinks.consumer import Book, Mood, Moody, sink_settings

Play = Callable[[Path], Awaitable[Recording]]
PAIR = FLEET[:2]
TROUBLE = after(minutes=10)
FRESH_BY = after(hours=6)
BEFORE_FRESH_BY = FRESH_BY - timedelta(minutes=30)
DAY = timedelta(days=1)
TWO_RESTARTS = DaemonSettings(restarts_max=2)


@dataclass(frozen=True)
class Scene:
    """A fault, and every alert that it fires, by name; the watchdog always does."""

    name: str
    fires: str
    play: Play


SCENES: list[Scene] = []


def fires(*alerts: str) -> Callable[[Play], Play]:
    """This scene fires exactly these."""

    def enter(play: Play) -> Play:
        SCENES.append(Scene(play.__name__, " ".join(sorted(alerts)), play))
        return play

    return enter


def over(fault: Fault, hours: float, *office_ids: str) -> ScheduledFault:
    """The trouble of some offices, or of all, for so long."""
    return ScheduledFault(fault, frozenset(office_ids), FaultWindow(TROUBLE, TROUBLE + timedelta(hours=hours)))


# --- nothing at all ---------------------------------------------------------------------------------------------------


@fires()
async def a_quiet_day(directory: Path) -> Recording:
    async with watched(directory, interval_seconds=120) as found:
        await found.world.until_time(after(hours=30))
    return found.recording


@fires()
async def an_office_that_is_away_for_an_hour(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, faults=[over(EConnectorDown(), 1, "smile")]) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires()
async def a_paused_office_that_would_be_late(directory: Path) -> Recording:
    offices = [office_settings("smile", enabled=False), office_settings("ash")]
    async with watched(directory, specs=PAIR, offices=offices, interval_seconds=120) as found:
        await found.world.until_time(FRESH_BY + DAY / 2)
    return found.recording


# --- the morning ------------------------------------------------------------------------------------------------------


def late(count: int) -> list[PracticeSpec]:
    """The fleet, so many of whose runs end at half past seven."""
    return [
        replace(spec, service_time_due="06:50:00", run_seconds=2400.0) if number < count else spec
        for number, spec in enumerate(FLEET)
    ]


@fires("FreshByMissed")
async def aging_that_runs_past_the_hour(directory: Path) -> Recording:
    async with watched(directory, specs=late(1)) as found:
        await found.world.until_time(FRESH_BY + timedelta(hours=1))
    return found.recording


@fires("FreshByMissed", "FleetMissed")
async def aging_of_most_offices_that_runs_past_the_hour(directory: Path) -> Recording:
    async with watched(directory, specs=late(3)) as found:
        await found.world.until_time(FRESH_BY + timedelta(hours=1))
    return found.recording


@fires("FreshByMissed", "TwoNightsMissed")
async def a_service_that_is_off_for_two_nights(directory: Path) -> Recording:
    specs = [replace(FLEET[0], start_delay_seconds=7200.0), FLEET[1]]
    async with watched(directory, specs=specs, interval_seconds=240) as found:
        await found.world.until_time(FRESH_BY + DAY + timedelta(minutes=30))
    return found.recording


@fires("FreshByMissed", "NothingPublished")
async def a_service_that_is_off_everywhere(directory: Path) -> Recording:
    specs = [replace(spec, start_delay_seconds=7200.0) for spec in PAIR]
    async with watched(directory, specs=specs, interval_seconds=240) as found:
        await found.world.until_time(FRESH_BY + DAY - timedelta(minutes=30))
    return found.recording


# --- one office -------------------------------------------------------------------------------------------------------


@fires("OfficeUnreachable")
async def an_econnector_that_is_down_for_hours(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, faults=[over(EConnectorDown(), 3.5, "smile")]) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("OfficeBlocked")
async def a_key_that_the_office_disabled(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, faults=[over(KeyDisabled(), 3, "smile")]) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("OfficeSuspect")
async def rows_that_never_add_up(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, faults=[over(get_alteration("one_cent_more"), 3.5, "smile")]) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("WorkerCrashed")
async def an_error_of_ours(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, crashes=True) as found:
        await found.world.until_time(TROUBLE)
        found.world.mines["smile"] = 1
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("OfficeQuarantined")
async def an_error_of_ours_again_and_again(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, daemon=TWO_RESTARTS, crashes=True) as found:
        await found.world.until_time(TROUBLE)
        found.world.mines["smile"] = 1000
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("ClockMismatch")
async def a_server_in_another_zone(directory: Path) -> Recording:
    specs = [replace(FLEET[0], clock_skew_seconds=3600.0), FLEET[1]]
    async with watched(directory, specs=specs) as found:
        await found.world.until_time(TROUBLE + timedelta(hours=1))
    return found.recording


# --- what all offices share -------------------------------------------------------------------------------------------


@fires("HeadquartersDown")
async def a_vendor_that_answers_nobody(directory: Path) -> Recording:
    async with watched(directory, faults=[over(GatewayError(503), 3)]) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("Throttled")
async def another_program_on_our_keys(directory: Path) -> Recording:
    busy = over(TooManyRequests("20"), 3)
    async with watched(directory, faults=[replace(busy, chance=0.5)]) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


# --- the daemon itself ------------------------------------------------------------------------------------------------


@fires("Down")
async def a_daemon_that_is_gone(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR) as found:
        await found.world.until_time(TROUBLE)
        await found.world.crash()
        await found.world.until_time(TROUBLE + timedelta(minutes=20))
        await found.world.start()
        await found.world.until_time(TROUBLE + timedelta(hours=2))
    return found.recording


@fires("Restarting")
async def a_daemon_that_is_ended_again_and_again(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR) as found:
        for restart in range(4):
            await found.world.until_time(TROUBLE + restart * timedelta(minutes=10, seconds=30))
            await found.world.crash()
            await found.world.start()
        await found.world.until_time(TROUBLE + timedelta(hours=2))
    return found.recording


@fires("NotReady")
async def an_end_that_does_not_end(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR, faults=[over(BrokenConnection(ConnectionFailure.STALL), 2)]) as found:
        world = found.world
        await world.crash()
        patient = world.settings.api.model_copy(update={"request_timeout_seconds": 1800.0})
        daemon = DaemonSettings(drain_seconds=1500.0)
        await world.start(replace(world.settings, api=patient, daemon=daemon))
        await world.until_time(TROUBLE)
        await world.until(lambda: "oddaemon_requests_in_flight 0.0" not in world.metrics())
        await world.drain()
    return found.recording


@fires("EngineStalled")
async def a_turn_that_is_never_given_back(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR) as found:
        await found.world.until_time(TROUBLE)
        async with found.world.database._require_writer().lock:
            await found.world.until_said("engine_stalled")
            await anyio.sleep(1200)
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("StoreUnhealthy")
async def a_disk_that_takes_nothing(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR) as found:
        await found.world.until_time(TROUBLE)
        await found.world.database.execute_one("PRAGMA query_only = ON")
        await found.world.until_time(TROUBLE + timedelta(hours=1, minutes=30))
        await found.world.database.execute_one("PRAGMA query_only = OFF")
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("StoreSlow")
async def a_disk_that_takes_its_time(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR) as found:
        await found.world.until_time(TROUBLE)
        for _ in range(5):
            # No write takes any time here, whatever the disk does.
            found.world.database.slowest_write_seconds = 3.5
            await anyio.sleep(300)
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("ConfigRejected")
async def a_configuration_with_a_slip_of_the_pen(directory: Path) -> Recording:
    files = config_files(directory, "smile", "ash")
    async with watched(directory, specs=PAIR, settings=files.write()) as found:
        await found.world.until_time(TROUBLE)
        put(files.directory / "ash.toml", "[[office]\n")
        try:
            await found.world.daemon.reload(ReloadTrigger.SIGNAL)
        except BadConfiguration:
            await found.world.until_time(TROUBLE + timedelta(minutes=30))
        files.write()
        await found.world.daemon.reload(ReloadTrigger.SIGNAL)
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("MaintenanceFailed")
async def a_place_for_backups_that_is_not_mounted(directory: Path) -> Recording:
    never = MaintenanceSettings.make_disabled()
    backup = never.model_copy(update={"backup": "20 * * * *", "backup_directory": directory / "unmounted"})
    async with watched(directory, specs=PAIR, maintenance=backup) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("LogLinesLost")
async def a_log_that_nobody_reads(directory: Path) -> Recording:
    with deaf() as lost:
        async with watched(directory, specs=PAIR) as found:
            await found.world.until_time(TROUBLE)
            assert found.world._telemetry is not None
            found.world._telemetry._count_lost = lost
            await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@contextmanager
def deaf() -> Iterator[Callable[[], int]]:
    """A writer to a pipe whose other end is read by nobody, and how many lines it has lost."""
    reading, writing = os.pipe()
    writer = LineWriter(writing, queued_lines_max=1)
    try:
        for _ in range(100):
            writer.write("x" * 65_536)
        assert writer.count_lost()
        yield writer.count_lost
    finally:
        os.close(reading)
        writer.close()
        os.close(writing)


@fires("PingFailed")
async def a_receiver_of_signs_of_life_that_is_gone(directory: Path) -> Recording:
    async with watched(directory, specs=PAIR) as found:
        alerts = AlertSettings(ping_url=Secret("http://127.0.0.1:9/gone"))
        await found.world.apply(replace(found.world.settings, alerts=alerts))
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


# --- sinks ------------------------------------------------------------------------------------------------------------


@fires("SinkBehind")
async def a_consumer_that_refuses_for_hours(directory: Path) -> Recording:
    moody = Moody(Book())
    moody.plan(Mood.REFUSES)
    async with watched(directory, specs=PAIR, sinks=[sink_settings()], make_sink=lambda _: moody) as found:
        await found.world.until_time(TROUBLE + timedelta(hours=4))
        moody.plan(Mood.TAKES)
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("CourierCrashed")
async def an_error_of_ours_in_a_delivery(directory: Path) -> Recording:
    moody = Moody(Book())
    moody.plan(Mood.BREAKS, Mood.TAKES)
    async with watched(directory, specs=PAIR, sinks=[sink_settings()], make_sink=lambda _: moody) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("CourierCrashed", "SinkBehind")
async def an_error_of_ours_in_every_delivery(directory: Path) -> Recording:
    moody = Moody(Book())
    moody.plan(Mood.BREAKS)
    async with watched(directory, specs=PAIR, sinks=[sink_settings()], make_sink=lambda _: moody) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording


@fires("DeliveryGivenUp")
async def a_consumer_that_is_gone_for_good(directory: Path) -> Recording:
    moody = Moody(Book())
    moody.plan(Mood.IS_GONE)
    async with watched(directory, specs=PAIR, sinks=[sink_settings()], make_sink=lambda _: moody) as found:
        await found.world.until_time(BEFORE_FRESH_BY)
    return found.recording
