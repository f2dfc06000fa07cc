"""The faults of a fleet that alerts are for: the metrics of a host beside an overview that changes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import anyio.lowlevel

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary, Replication
from oddaemon.telemetry.telemetry import Telemetry
from tests.alerts.families import NOW
from tests.alerts.fault_scenarios import expect_alerts
from tests.alerts.promtool import ScrapeRecording
from tests.alerts.scraped_daemon import FAMILIES, TARGET

INTERVAL_SECONDS = 60


def make_member(number: int, host: str, departure: Departure | None = None) -> MemberSummary:
    """A working member; with a departure one that has just gone."""
    stage, gone_at = (Stage.WORKING, None) if departure is None else (Stage.GONE, NOW)
    return MemberSummary(number, host, stage, "1", "", "", NOW, NOW, NOW, "s", 12, gone_at, departure)


HEALTHY = FleetOverview(NOW, "a", 1, (make_member(1, "a"), make_member(2, "b")), (), {})


async def record_fleet(fault: FleetOverview, minutes: int) -> ScrapeRecording:
    """Scrapes of a host whose fleet has the fault from the tenth minute on, for so long."""
    await anyio.lowlevel.checkpoint()
    overviews = _list_overviews(fault, minutes)
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="test")
    recording = ScrapeRecording(INTERVAL_SECONDS, NOW.timestamp())
    began = f"process_start_time_seconds {NOW.timestamp()}\n"
    for overview in overviews:
        telemetry.follow_fleet(lambda overview=overview: overview)  # type: ignore[misc]  # bound at once
        recording.add_scrape(_make_ready(telemetry) + began, FAMILIES, TARGET)
    return recording


def _list_overviews(fault: FleetOverview, minutes: int) -> Iterator[FleetOverview]:
    for minute in count():
        at: datetime = NOW + timedelta(minutes=minute)
        if minute == minutes + 30:
            return
        yield replace(fault if 10 <= minute < minutes + 10 else HEALTHY, at=at)


def _make_ready(telemetry: Telemetry) -> str:
    """The metrics of a daemon that is ready."""
    text = telemetry.render(()).body.decode()
    for name in ("ready", "store_healthy", "config_last_reload_successful"):
        text = text.replace(f"\noddaemon_{name} 0.0\n", f"\noddaemon_{name} 1.0\n")
    return text


@expect_alerts()
async def host_that_drained(_directory: Path) -> ScrapeRecording:
    gone = (make_member(2, "b", Departure.DRAINED),)
    return await record_fleet(replace(HEALTHY, members=HEALTHY.members[:1], gone=gone), minutes=60)


@expect_alerts("HostLost")
async def host_that_died(_directory: Path) -> ScrapeRecording:
    gone = (make_member(2, "b", Departure.EXPIRED),)
    return await record_fleet(replace(HEALTHY, members=HEALTHY.members[:1], gone=gone), minutes=30)


@expect_alerts("OfficesUnheld")
async def offices_that_no_host_takes(_directory: Path) -> ScrapeRecording:
    return await record_fleet(replace(HEALTHY, unheld=3), minutes=5)


@expect_alerts("HostsDiffer")
async def files_that_differ_for_hours(_directory: Path) -> ScrapeRecording:
    differences = (ConfigDifference("b", ("elm",), (), shared_settings=False),)
    return await record_fleet(replace(HEALTHY, differences=differences), minutes=120)


@expect_alerts("DatabaseAsynchronous")
async def standby_that_no_commit_waits_for(_directory: Path) -> ScrapeRecording:
    return await record_fleet(replace(HEALTHY, replication=Replication(1, is_synchronous=False)), minutes=60)


@expect_alerts("DatabaseLagging")
async def standby_that_is_far_behind(_directory: Path) -> ScrapeRecording:
    replication = Replication(2, is_synchronous=True, lag_seconds=300.0)
    return await record_fleet(replace(HEALTHY, replication=replication), minutes=60)
