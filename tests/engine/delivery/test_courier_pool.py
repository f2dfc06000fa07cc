"""What a sink receives: every snapshot in order, retries under the same id, and what a command changes."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.sink_commands import SinkCommands
from oddaemon.core.delivery import Content
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.payload import DeliveryFailed
from tests.engine.delivery.delivering_night import (
    CHANGES,
    SHORT,
    TWO,
    delivering_night,
    is_consistent,
    make_sink_factory,
    read_outbox,
)
from tests.engine.delivery.fake_consumer import ConsumerBook, ScriptedSink, SinkBehavior, make_sink_settings
from tests.engine.night import SMALL, night
from tests.engine.world import World
from tests.golden import GoldenTexts


@pytest.mark.parametrize("content", list(Content))
async def test_every_snapshot_is_delivered_in_order_and_once(tmp_path: Path, content: Content) -> None:
    book = ConsumerBook()
    async with delivering_night(tmp_path, ScriptedSink(book), TWO, make_sink_settings(content=content)) as world:
        for count in (1, 2, 3):
            for office_id in ("smile", "hill"):
                await world.wait_until(
                    lambda office=office_id, least=count: (  # type: ignore[misc]  # mypy knows no defaults of lambdas
                        len(book.list_snapshot_ids(office)) >= least
                    )
                )
                assert await is_consistent(world, book, office_id)
        assert book.list_snapshot_ids() == sorted(book.list_snapshot_ids())
        assert set(book.delivery_counts.values()) == {1}
        kinds = [payload.content for payload in book.accepted if payload.office_id == "smile"]
        assert kinds == ["snapshot", *[content.value] * 2]
        assert world.find_events("delivery_succeeded")[0]["failed_attempts"] == 0
        assert 'oddaemon_deliveries_total{outcome="done",sink="book"} 6.0' in world.render_metrics()
        assert 'oddaemon_deliveries_pending{sink="book"} 0.0' in world.render_metrics()


@pytest.mark.parametrize("behavior", [SinkBehavior.REJECTS, SinkBehavior.LOSES_ACK])
async def test_what_was_not_acknowledged_comes_again_under_the_same_id(tmp_path: Path, behavior: SinkBehavior) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sink.plan(behavior, behavior, behavior, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink, [SMALL], make_sink_settings(content=CHANGES)) as world:
        await world.wait_for_event("delivery_succeeded", 2)
        ids = [delivery_id for _, delivery_id in sink.attempts]
        assert len(set(ids[:4])) == 1
        assert len(set(ids)) == 2
        waits = [
            later - earlier for (earlier, _), (later, _) in zip(sink.attempts[:3], sink.attempts[1:4], strict=True)
        ]
        assert 2.4 < waits[0] < 5.1
        assert 4.9 < waits[1] < 10.1
        assert 9.9 < waits[2] < 20.1
        assert [line["attempt"] for line in world.find_events("delivery_attempt_failed")] == [1, 2, 3]
        assert world.find_events("delivery_succeeded")[0]["failed_attempts"] == 3
        assert await is_consistent(world, book)


@pytest.mark.parametrize(
    "behavior",
    [
        pytest.param(SinkBehavior.REJECTS, marks=pytest.mark.slow("the other two are quick tests")),
        SinkBehavior.STALLS,
        pytest.param(SinkBehavior.IS_GONE, marks=pytest.mark.slow("as above")),
        SinkBehavior.CRASHES,
    ],
)
async def test_no_behavior_of_a_sink_slows_a_pull_or_another_sink(tmp_path: Path, behavior: SinkBehavior) -> None:
    """The same nights with and without the sinks: every snapshot is published at the same instant."""
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    alone.mkdir()
    beside.mkdir()
    async with night(alone, TWO) as world:
        wanted = await _measure_nights(world)
    bad, book = ScriptedSink(ConsumerBook()), ConsumerBook()
    bad.plan(behavior)
    make = make_sink_factory({"bad": bad, "book": ScriptedSink(book)})
    async with night(
        beside, TWO, sinks=[make_sink_settings("bad"), make_sink_settings("book")], make_sink=make
    ) as world:
        assert await _measure_nights(world) == wanted
        await world.wait_until(lambda: len(book.list_snapshot_ids()) >= 3)
        assert await is_consistent(world, book)
        assert bad.attempts
        assert bad.book.accepted == []


async def _measure_nights(world: World) -> list[object]:
    """When three nights of two offices were published, and how long their pulls took."""
    for office_id in ("smile", "hill"):
        await world.wait_for_snapshots(3, office_id)
    found = [row for office_id in ("smile", "hill") for row in (await world.read_history(office_id))[-3:]]
    return [(row.published_at, row.pull_seconds) for row in found]


async def test_a_server_that_asks_for_time_gets_it_from_all_offices(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book, refusal=DeliveryFailed("Slow down.", retry_after_seconds=3000.0))
    sink.plan(SinkBehavior.REJECTS, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink, TWO) as world:
        await world.wait_until(lambda: len(book.accepted) >= 2)
        first, second, third = (at for at, _ in sink.attempts[:3])
        assert second - first >= 3000.0
        assert third - second < 1.0


async def test_a_delivery_that_is_refused_for_good_holds_up_its_office_only(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book, rejects=lambda payload: payload.office_id == "hill")
    async with delivering_night(tmp_path, sink, TWO, make_sink_settings(content=CHANGES)) as world:
        await world.wait_until(lambda: len(book.list_snapshot_ids("smile")) >= 3)
        assert await is_consistent(world, book)
        assert book.list_snapshot_ids("hill") == []
        [oldest, *_] = [row for row in await read_outbox(world) if row.office_id == "hill"]
        golden.check(oldest.error)
        hills = {world_id for _, world_id in sink.attempts} - set(book.delivery_counts)
        assert hills == {oldest.delivery.delivery_id}
        sink.rejects = lambda _: False
        await world.wait_until(lambda: len(book.list_snapshot_ids("hill")) >= 3)
        assert await is_consistent(world, book, "hill")


async def test_an_abandoned_delivery_is_followed_by_the_whole_snapshot(tmp_path: Path, golden: GoldenTexts) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    async with delivering_night(
        tmp_path, sink, [SMALL], make_sink_settings(content=CHANGES, retry_policy=SHORT)
    ) as world:
        await world.wait_until(lambda: len(book.accepted) == 1)
        # It has the second one, but the answer is lost until we give up: what it holds is not what we believe.
        sink.plan(SinkBehavior.LOSES_ACK)
        await world.wait_for_event("delivery_abandoned")
        [dead] = world.find_events("delivery_abandoned")
        [made] = world.find_events("delivery_succeeded")
        golden.check(dead["reason"])
        sink.plan(SinkBehavior.ACCEPTS)
        await world.wait_for_event("delivery_succeeded", 2)
        assert [payload.content for payload in book.accepted] == ["snapshot", "changes", "snapshot"]
        assert book.list_snapshot_ids()[-1] > dead["snapshot_id"] > made["snapshot_id"]
        assert await is_consistent(world, book)
        assert 'oddaemon_deliveries_total{outcome="dead",sink="book"} 1.0' in world.render_metrics()


async def test_a_sink_that_is_gone_is_not_asked_twice_for_one_delivery(tmp_path: Path) -> None:
    sink = ScriptedSink(ConsumerBook())
    sink.plan(SinkBehavior.IS_GONE)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_for_event("delivery_abandoned", 2)
        ids = [delivery_id for _, delivery_id in sink.attempts]
        assert len(ids) == len(set(ids)) == 2


async def test_a_restart_does_not_forget_a_back_off(tmp_path: Path) -> None:
    sink = ScriptedSink(ConsumerBook(), refusal=DeliveryFailed("Slow down.", retry_after_seconds=3000.0))
    sink.plan(SinkBehavior.REJECTS)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_for_event("delivery_attempt_failed")
        for _ in range(5):
            await world.crash()
            await world.start()
            await anyio.sleep(100)
        assert len(sink.attempts) == 1
        await world.wait_for_event("delivery_attempt_failed", 2)
        assert sink.attempts[1][0] - sink.attempts[0][0] >= 3000.0


async def test_a_clock_set_back_does_not_keep_a_delivery_for_years(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sink.plan(SinkBehavior.REJECTS, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_for_event("delivery_attempt_failed")
        world.daemon_clock_offset = timedelta(days=-300)
        await world.wait_until(lambda: len(book.accepted) == 1, within=timedelta(hours=1))
        world.daemon_clock_offset = timedelta()


def get_commands(world: World) -> SinkCommands:
    return world.daemon.admin.sinks


async def test_a_retry_command_does_not_wait_for_the_back_off(tmp_path: Path, golden: GoldenTexts) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book, refusal=DeliveryFailed("Slow down.", retry_after_seconds=20_000.0))
    sink.plan(SinkBehavior.REJECTS, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_for_event("delivery_attempt_failed")
        since = world.clock.now()
        done = await get_commands(world).retry("book", None, 1000)
        golden.check(done["outcome"])
        await world.wait_until(lambda: len(book.accepted) == 1)
        assert world.clock.now() - since < timedelta(seconds=5)
        assert world.find_events("command_received", "")[-1]["uid"] == 1000


async def test_what_is_skipped_while_it_is_under_way_stays_skipped_and_the_next_is_whole(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    async with delivering_night(tmp_path, sink, [SMALL], make_sink_settings(content=CHANGES)) as world:
        await world.wait_until(lambda: len(book.accepted) == 1)
        sink.plan(SinkBehavior.LOSES_ACK)
        await world.wait_for_event("delivery_attempt_failed")
        await get_commands(world).skip("book", "smile", None)
        sink.plan(SinkBehavior.ACCEPTS)
        await world.wait_until(lambda: len(book.accepted) == 3)
        assert [payload.content for payload in book.accepted] == ["snapshot", "changes", "snapshot"]
        assert await is_consistent(world, book)
        assert len(world.find_events("delivery_skipped")) == 1


async def test_an_abandoned_delivery_that_was_superseded_is_not_retried(tmp_path: Path) -> None:
    book = ConsumerBook()
    sink = ScriptedSink(book)
    sink.plan(SinkBehavior.IS_GONE, SinkBehavior.ACCEPTS)
    async with delivering_night(tmp_path, sink) as world:
        await world.wait_for_event("delivery_succeeded")
        with pytest.raises(CommandRejected, match="No delivery waits"):
            await get_commands(world).retry("book", None, None)
        assert len(sink.attempts) == 2


class _LockingSink(ScriptedSink):
    """While it takes its first delivery, another program locks the database."""

    database: Path | None = None
    lock: sqlite3.Connection | None = None

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        await super().deliver(payload, delivery_id)
        if len(self.attempts) == 1:
            assert self.database is not None
            self.lock = sqlite3.connect(self.database, isolation_level=None, check_same_thread=False)
            self.lock.execute("BEGIN IMMEDIATE")


@pytest.mark.real("waits for the lock time-out of SQLite in real time")
async def test_an_unstored_acknowledgement_is_delivered_again_with_the_same_id(
    tmp_path: Path,
) -> None:
    book = ConsumerBook()
    locking = _LockingSink(book)
    async with delivering_night(tmp_path, locking) as world:
        locking.database = world.settings.state.path
        await world.wait_for_event("store_failed")
        assert locking.lock is not None
        locking.lock.close()
        await world.wait_for_event("delivery_succeeded")
        assert book.delivery_counts.most_common(1)[0][1] == 2
        assert len(book.accepted) == 1
        assert await is_consistent(world, book)
