"""Sinks that are added, removed or changed while the daemon runs, and couriers that stop."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition
from oddaemon.core.office.status import to_sentence
from oddaemon.settings import SinkSettings
from oddaemon.sinks.payload import Sink
from tests.engine.delivery.delivering_night import (
    CHANGES,
    SHORT,
    TWO,
    delivering_night,
    is_consistent,
    make_sink_factory,
    read_outbox,
)
from tests.engine.delivery.fake_consumer import (
    ConsumerBook,
    CrashingFactory,
    ScriptedSink,
    SinkBehavior,
    make_sink_settings,
)
from tests.engine.night import SMALL, make_office_settings, night
from tests.golden import GoldenTexts


async def test_a_sink_that_comes_later_starts_with_the_current_snapshot_of_each_office(tmp_path: Path) -> None:
    book = ConsumerBook()
    async with night(tmp_path, TWO, make_sink=make_sink_factory({"book": ScriptedSink(book)})) as world:
        for office_id in ("smile", "hill"):
            await world.wait_for_snapshots(2, office_id)
        since = world.clock.now()
        wanted = replace(world.settings, sinks=(make_sink_settings(content=CHANGES),))
        assert world.daemon.configuration.compute_diff(wanted).sentence == "2 unchanged; [[sink]] book changed."
        await world.apply(wanted)
        await world.wait_until(lambda: len(book.accepted) == 2)
        assert world.clock.now() - since < timedelta(seconds=5)
        assert [payload.content for payload in book.accepted] == ["snapshot", "snapshot"]
        for office_id in ("smile", "hill"):
            assert await is_consistent(world, book, office_id)
        await world.apply(world.settings)
        await world.wait_for_snapshots(3)
        await world.wait_until(lambda: len(book.list_snapshot_ids()) == 2)
        assert book.accepted[-1].content == "changes"


async def test_a_removed_sink_is_forgotten_and_starts_fresh_when_it_comes_back(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sinks = (make_sink_settings(content=CHANGES),)
    async with night(tmp_path, [SMALL], sinks=sinks, make_sink=make_sink_factory({"book": sink})) as world:
        await world.wait_until(lambda: len(book.accepted) == 1)
        sink.plan(SinkBehavior.REJECTS)
        await world.wait_for_event("delivery_attempt_failed")
        await world.apply(replace(world.settings, sinks=()))
        assert await read_outbox(world) == []
        assert "deliveries_pending{" not in world.render_metrics()
        assert sink.closed == 1
        sink.plan(SinkBehavior.ACCEPTS)
        await world.wait_for_snapshots(3)
        assert len(book.accepted) == 1
        await world.apply(replace(world.settings, sinks=sinks))
        await world.wait_until(lambda: len(book.accepted) == 2)
        assert book.accepted[-1].content == "snapshot"
        assert await is_consistent(world, book)


async def test_only_selected_offices_go_to_a_sink(tmp_path: Path) -> None:
    east, some = ConsumerBook(), ConsumerBook()
    offices = [make_office_settings("smile", labels=(("region", "east"),)), make_office_settings("hill")]
    sinks = [make_sink_settings("east", region="east"), make_sink_settings("some", offices=["hill"])]
    async with night(
        tmp_path,
        TWO,
        offices,
        sinks=sinks,
        make_sink=make_sink_factory({"east": ScriptedSink(east), "some": ScriptedSink(some)}),
    ) as world:
        await world.wait_until(lambda: bool(east.accepted and some.accepted))
        await world.wait_for_condition(Condition.FRESH, "hill")
        await world.wait_for_condition(Condition.FRESH, "smile")
        assert (set(east.balances), set(some.balances)) == ({"smile"}, {"hill"})


async def test_a_changed_sink_is_restarted_and_misses_nothing(tmp_path: Path) -> None:
    book = ConsumerBook()
    made: list[SinkSettings] = []

    def make(settings: SinkSettings) -> Sink:
        made.append(settings)
        sink = ScriptedSink(book)
        sink.plan(SinkBehavior.STALLS if len(made) == 1 else SinkBehavior.ACCEPTS)
        return sink

    async with night(tmp_path, [SMALL], sinks=[make_sink_settings()], make_sink=make) as world:
        await world.wait_for_snapshots(1)
        await anyio.sleep(60)
        assert book.accepted == []
        await world.apply(world.settings)
        assert len(made) == 1
        await world.apply(replace(world.settings, sinks=(make_sink_settings(retry_policy=SHORT),)))
        await world.wait_until(lambda: len(book.accepted) == 1)
        assert await is_consistent(world, book)


async def test_a_sink_that_raises_what_no_rule_expects_is_retried_and_given_up_like_any_other(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sink.plan(*[SinkBehavior.CRASHES] * 8, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_until(lambda: len(book.accepted) >= 1)
        assert [line["attempt"] for line in world.find_events("delivery_attempt_failed")] == list(range(1, 9))
        assert "ZeroDivisionError" in world.find_events("delivery_attempt_failed")[0]["reason"]
        unforeseen = world.find_events("peer_error_unforeseen")
        assert [(line["peer"], line["error"]) for line in unforeseen] == [("sink book", "ZeroDivisionError")] * 8
        assert "in deliver" in unforeseen[0]["traceback"]
        assert world.find_events("courier_crashed") == []
        assert await is_consistent(world, book)


async def test_our_own_exhaustion_is_not_the_receivers_failure_and_costs_no_delivery(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sink.plan(*[SinkBehavior.NO_FILES] * 3, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_until(lambda: len(book.accepted) >= 1)
        reasons = {line["reason"] for line in world.find_events("delivery_attempt_failed")}
        assert len(reasons) == 1
        assert to_sentence(FailureKind.FILES_EXHAUSTED.meaning) in reasons.pop()
        assert world.find_events("peer_error_unforeseen") == []


@pytest.mark.parametrize("behavior", [SinkBehavior.NO_FILES, SinkBehavior.DISK_FULL])
async def test_a_delivery_is_not_given_up_for_what_this_machine_lacks(tmp_path: Path, behavior: SinkBehavior) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sink.plan(behavior)
    async with delivering_night(tmp_path, sink, settings=make_sink_settings(retry_policy=SHORT)) as world:
        await world.wait_for_event("delivery_attempt_failed")
        await world.sleep_until(world.clock.now() + timedelta(seconds=2 * SHORT.give_up_after_seconds))
        assert world.find_events("delivery_abandoned") == []
        sink.plan(SinkBehavior.ACCEPTS)
        await world.wait_until(lambda: len(book.accepted) >= 1)


async def test_a_courier_that_crashes_too_often_rests_an_hour_and_misses_nothing(tmp_path: Path) -> None:
    book = ConsumerBook()
    make = CrashingFactory(ScriptedSink(book), crashes=6)
    async with night(tmp_path, [SMALL], sinks=[make_sink_settings()], make_sink=make) as world:
        await world.wait_for_event("sink_stopped")
        stopped_at = world.clock.now()
        assert [line["restarts_left"] for line in world.find_events("courier_crashed")] == [5, 4, 3, 2, 1, 0]
        assert world.find_events("sink_stopped")[0]["reason"] == "crashed too often"
        await world.wait_for_event("sink_started", 2)
        assert world.clock.now() - stopped_at == timedelta(hours=1)
        await world.wait_until(lambda: len(book.accepted) >= 1)
        assert await is_consistent(world, book)


async def test_a_reload_starts_a_courier_that_rests_after_crashes(tmp_path: Path) -> None:
    book = ConsumerBook()
    make = CrashingFactory(ScriptedSink(book), crashes=6)
    async with night(tmp_path, [SMALL], sinks=[make_sink_settings()], make_sink=make) as world:
        await world.wait_for_event("sink_stopped")
        stopped_at = world.clock.now()
        await world.apply(world.settings)
        await world.wait_for_event("sink_started", 2)
        assert world.clock.now() == stopped_at


async def test_a_sink_without_a_courier_that_is_not_wanted_any_more_leaves_no_figures(tmp_path: Path) -> None:
    make = CrashingFactory(ScriptedSink(ConsumerBook()), crashes=1000)
    async with night(tmp_path, [SMALL], sinks=[make_sink_settings()], make_sink=make) as world:
        await world.wait_for_event("sink_stopped")
        await world.apply(replace(world.settings, sinks=()))
        reasons = [line["reason"] for line in world.find_events("sink_stopped")]
        assert reasons == ["crashed too often", "removed or reconfigured"]
        assert "oddaemon_delivery_oldest_pending_timestamp_seconds{" not in world.render_metrics()


async def test_a_drain_does_not_wait_for_a_courier_that_rests_after_crashes(tmp_path: Path) -> None:
    make = CrashingFactory(ScriptedSink(ConsumerBook()), crashes=1000)
    async with night(tmp_path, [SMALL], sinks=[make_sink_settings()], make_sink=make) as world:
        await world.wait_for_event("sink_stopped")
        began = world.clock.now()
        await world.drain()
        assert world.clock.now() == began


async def test_a_daemon_that_drains_lets_a_delivery_under_way_end(tmp_path: Path, golden: GoldenTexts) -> None:
    book = ConsumerBook()
    async with delivering_night(tmp_path, ScriptedSink(book)) as world:
        await world.wait_for_snapshots(1)
        await world.drain()
        assert len(book.accepted) in {0, 1}
        assert len(world.find_events("delivery_succeeded")) == len(book.accepted)
        golden.check(world.find_events("sink_stopped")[-1]["reason"])


async def test_a_reload_that_the_end_overtakes_does_not_hold_it_up(tmp_path: Path) -> None:
    book = ConsumerBook()
    async with delivering_night(tmp_path, ScriptedSink(book)) as world:
        await world.wait_until(lambda: len(book.list_snapshot_ids()) == 1)
        couriers = world.services.couriers
        couriers.drain()
        sink = make_sink_settings(content=CHANGES)
        await couriers.apply([sink], [sink.name])
        with anyio.fail_after(5):
            await couriers.wait_stopped()
