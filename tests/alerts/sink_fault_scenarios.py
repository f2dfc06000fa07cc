"""The faults of sinks that alerts are for, as `fault_scenarios` has those of offices and of the daemon."""

from datetime import timedelta
from pathlib import Path

from tests.alerts.fault_scenarios import BEFORE_FRESH_BY, FAULT_START, PAIR, expect_alerts, record_until_morning
from tests.alerts.promtool import ScrapeRecording
from tests.alerts.scraped_daemon import scraped_daemon
from tests.engine.delivery.fake_consumer import ConsumerBook, ScriptedSink, SinkBehavior, make_sink_settings


@expect_alerts("SinkBehind")
async def consumer_rejecting_for_hours(directory: Path) -> ScrapeRecording:
    sink = ScriptedSink(ConsumerBook())
    sink.plan(SinkBehavior.REJECTS)
    async with scraped_daemon(directory, specs=PAIR, sinks=[make_sink_settings()], make_sink=lambda _: sink) as found:
        await found.world.sleep_until(FAULT_START + timedelta(hours=4))
        sink.plan(SinkBehavior.ACCEPTS)
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("CourierCrashed")
async def courier_crash(directory: Path) -> ScrapeRecording:
    sink = ScriptedSink(ConsumerBook())
    async with scraped_daemon(directory, specs=PAIR, sinks=[make_sink_settings()], make_sink=lambda _: sink) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes["book"] = 1
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("CourierCrashed", "SinkBehind")
async def repeated_courier_crashes(directory: Path) -> ScrapeRecording:
    sink = ScriptedSink(ConsumerBook())
    async with scraped_daemon(directory, specs=PAIR, sinks=[make_sink_settings()], make_sink=lambda _: sink) as found:
        await found.world.sleep_until(FAULT_START)
        found.world.injected_crashes["book"] = 1000
        await found.world.sleep_until(BEFORE_FRESH_BY)
    return found.recording


@expect_alerts("PeerErrorUnforeseen")
async def sink_that_raises_what_no_rule_expects(directory: Path) -> ScrapeRecording:
    sink = ScriptedSink(ConsumerBook())
    sink.plan(SinkBehavior.CRASHES, SinkBehavior.ACCEPTS)
    return await record_until_morning(directory, specs=PAIR, sinks=[make_sink_settings()], make_sink=lambda _: sink)


@expect_alerts("DeliveryGivenUp")
async def consumer_gone_permanently(directory: Path) -> ScrapeRecording:
    sink = ScriptedSink(ConsumerBook())
    sink.plan(SinkBehavior.IS_GONE)
    return await record_until_morning(directory, specs=PAIR, sinks=[make_sink_settings()], make_sink=lambda _: sink)
