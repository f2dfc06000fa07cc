import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.sink_commands import SinkCommands
from oddaemon.core.delivery import Content, RetryPolicy
from oddaemon.core.model import Condition
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.settings import SinkSettings
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.sinks.payload import DeliveryFailed, Payload, Sink
from oddaemon.store import outbox
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.night import SMALL, night, office_settings
from tests.engine.world import World
from tests.sinks.consumer import Book, Mood, Moody, sink_settings

TWO = [PracticeSpec("smile", seed=1, guarantors=40), PracticeSpec("hill", seed=2, guarantors=30)]
CHANGES = Content.CHANGES
SHORT = RetryPolicy(give_up_after_seconds=7200.0)


@pytest.fixture
def anyio_backend(virtual_time: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual_time


def making(sinks: Mapping[str, Sink]) -> SinkFactory:
    return lambda settings: sinks[settings.name]


def delivering(
    tmp_path: Path,
    moody: Sink,
    specs: Sequence[PracticeSpec] = (SMALL,),
    settings: SinkSettings | None = None,
) -> AbstractAsyncContextManager[World]:
    """Nights of a daemon with one sink."""
    return night(tmp_path, specs, sinks=[settings or sink_settings()], make_sink=making({"book": moody}))


async def agrees(world: World, book: Book, office_id: str = "smile") -> bool:
    """Whether the consumer holds exactly what is published."""
    return book.holds(office_id) == await world.balances(office_id)


async def rows(world: World) -> list[outbox.DeliveryRow]:
    async with SqliteDatabase.open_for_reading(world.settings.state.database) as database:
        return await outbox.list_deliveries(database)


@pytest.mark.parametrize("content", list(Content))
async def test_every_snapshot_is_delivered_in_order_and_once(tmp_path: Path, content: Content) -> None:
    book = Book()
    async with delivering(tmp_path, Moody(book), TWO, sink_settings(content=content)) as world:
        for count in (1, 2, 3):
            for office_id in ("smile", "hill"):
                await world.until(lambda office=office_id, so_many=count: len(book.snapshots(office)) >= so_many)  # type: ignore[misc]  # mypy knows no defaults of lambdas
                assert await agrees(world, book, office_id)
        assert book.snapshots() == sorted(book.snapshots())
        assert set(book.had.values()) == {1}
        kinds = [payload.content for payload in book.taken if payload.office_id == "smile"]
        assert kinds == ["snapshot", *[content.value] * 2]
        assert world.events("delivery_succeeded")[0]["failed_attempts"] == 0
        assert 'oddaemon_deliveries_total{outcome="done",sink="book"} 6.0' in world.metrics()
        assert 'oddaemon_deliveries_pending{sink="book"} 0.0' in world.metrics()


@pytest.mark.parametrize("mood", [Mood.REFUSES, Mood.LOSES_THE_ACK])
async def test_what_was_not_acknowledged_comes_again_under_the_same_id(tmp_path: Path, mood: Mood) -> None:
    book = Book()
    moody = Moody(book)
    moody.plan(mood, mood, mood, Mood.TAKES)
    async with delivering(tmp_path, moody, [SMALL], sink_settings(content=CHANGES)) as world:
        await world.until_said("delivery_succeeded", 2)
        ids = [delivery_id for _, delivery_id in moody.attempts]
        assert len(set(ids[:4])) == 1
        assert len(set(ids)) == 2
        waits = [
            later - earlier for (earlier, _), (later, _) in zip(moody.attempts[:3], moody.attempts[1:4], strict=True)
        ]
        assert 2.4 < waits[0] < 5.1
        assert 4.9 < waits[1] < 10.1
        assert 9.9 < waits[2] < 20.1
        assert [line["attempt"] for line in world.events("delivery_attempt_failed")] == [1, 2, 3]
        assert world.events("delivery_succeeded")[0]["failed_attempts"] == 3
        assert await agrees(world, book)


@pytest.mark.parametrize("mood", [Mood.REFUSES, Mood.STALLS, Mood.IS_GONE, Mood.BREAKS])
async def test_no_mood_of_a_sink_slows_a_pull_or_another_sink(tmp_path: Path, mood: Mood) -> None:
    """The same nights with and without the sinks: every snapshot is published at the same instant."""
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    alone.mkdir()
    beside.mkdir()
    async with night(alone, TWO) as world:
        wanted = await _instants(world)
    bad, book = Moody(Book()), Book()
    bad.plan(mood)
    make = making({"bad": bad, "book": Moody(book)})
    async with night(beside, TWO, sinks=[sink_settings("bad"), sink_settings("book")], make_sink=make) as world:
        assert await _instants(world) == wanted
        await world.until(lambda: len(book.snapshots()) >= 3)
        assert await agrees(world, book)
        assert bad.attempts
        assert bad.book.taken == []


async def _instants(world: World) -> list[object]:
    """When three nights of two offices were published, and how long their pulls took."""
    for office_id in ("smile", "hill"):
        await world.until_published(3, office_id)
    found = [row for office_id in ("smile", "hill") for row in (await world.history(office_id))[-3:]]
    return [(row.published_at, row.pull_seconds) for row in found]


async def test_a_server_that_asks_for_time_gets_it_from_all_offices(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book, refusal=DeliveryFailed("Slow down.", retry_after_seconds=3000.0))
    moody.plan(Mood.REFUSES, Mood.TAKES)
    async with delivering(tmp_path, moody, TWO) as world:
        await world.until(lambda: len(book.taken) >= 2)
        first, second, third = (at for at, _ in moody.attempts[:3])
        assert second - first >= 3000.0
        assert third - second < 1.0


async def test_a_delivery_that_is_refused_for_good_holds_up_its_office_only(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book, refuses=lambda payload: payload.office_id == "hill")
    async with delivering(tmp_path, moody, TWO, sink_settings(content=CHANGES)) as world:
        await world.until(lambda: len(book.snapshots("smile")) >= 3)
        assert await agrees(world, book)
        assert book.snapshots("hill") == []
        [oldest, *_] = [row for row in await rows(world) if row.office_id == "hill"]
        assert oldest.error == "The consumer is in a bad mood."
        hills = {world_id for _, world_id in moody.attempts} - set(book.had)
        assert hills == {oldest.delivery.delivery_id}
        moody.refuses = lambda _: False
        await world.until(lambda: len(book.snapshots("hill")) >= 3)
        assert await agrees(world, book, "hill")


async def test_a_dead_letter_is_followed_by_the_whole_snapshot(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book)
    async with delivering(tmp_path, moody, [SMALL], sink_settings(content=CHANGES, patience=SHORT)) as world:
        await world.until(lambda: len(book.taken) == 1)
        # It has the second one, but the answer is lost until we give up: what it holds is not what we believe.
        moody.plan(Mood.LOSES_THE_ACK)
        await world.until_said("delivery_abandoned")
        [dead] = world.events("delivery_abandoned")
        [made] = world.events("delivery_succeeded")
        assert dead["reason"] == "The consumer is in a bad mood."
        moody.plan(Mood.TAKES)
        await world.until_said("delivery_succeeded", 2)
        assert [payload.content for payload in book.taken] == ["snapshot", "changes", "snapshot"]
        assert book.snapshots()[-1] > dead["snapshot_id"] > made["snapshot_id"]
        assert await agrees(world, book)
        assert 'oddaemon_deliveries_total{outcome="dead",sink="book"} 1.0' in world.metrics()


async def test_a_sink_that_is_gone_is_not_asked_twice_for_one_delivery(tmp_path: Path) -> None:
    moody = Moody(Book())
    moody.plan(Mood.IS_GONE)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("delivery_abandoned", 2)
        ids = [delivery_id for _, delivery_id in moody.attempts]
        assert len(ids) == len(set(ids)) == 2


async def test_a_restart_does_not_forget_a_back_off(tmp_path: Path) -> None:
    moody = Moody(Book(), refusal=DeliveryFailed("Slow down.", retry_after_seconds=3000.0))
    moody.plan(Mood.REFUSES)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("delivery_attempt_failed")
        for _ in range(5):
            await world.crash()
            await world.start()
            await anyio.sleep(100)
        assert len(moody.attempts) == 1
        await world.until_said("delivery_attempt_failed", 2)
        assert moody.attempts[1][0] - moody.attempts[0][0] >= 3000.0


async def test_a_clock_set_back_does_not_keep_a_delivery_for_years(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book)
    moody.plan(Mood.REFUSES, Mood.TAKES)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("delivery_attempt_failed")
        world.daemon_is_ahead = timedelta(days=-300)
        await world.until(lambda: len(book.taken) == 1, within=timedelta(hours=1))
        world.daemon_is_ahead = timedelta()


async def test_a_sink_that_comes_later_starts_with_the_current_snapshot_of_each_office(tmp_path: Path) -> None:
    book = Book()
    async with night(tmp_path, TWO, make_sink=making({"book": Moody(book)})) as world:
        for office_id in ("smile", "hill"):
            await world.until_published(2, office_id)
        since = world.clock.now()
        wanted = replace(world.settings, sinks=(sink_settings(content=CHANGES),))
        assert world.daemon.configuration.compute_diff(wanted).sentence == "2 unchanged; [[sink]] book changed."
        await world.apply(wanted)
        await world.until(lambda: len(book.taken) == 2)
        assert world.clock.now() - since < timedelta(seconds=5)
        assert [payload.content for payload in book.taken] == ["snapshot", "snapshot"]
        for office_id in ("smile", "hill"):
            assert await agrees(world, book, office_id)
        await world.apply(world.settings)
        await world.until_published(3)
        await world.until(lambda: len(book.snapshots()) == 2)
        assert book.taken[-1].content == "changes"


async def test_a_sink_that_goes_is_forgotten_and_starts_anew_when_it_comes_back(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book)
    sinks = (sink_settings(content=CHANGES),)
    async with night(tmp_path, [SMALL], sinks=sinks, make_sink=making({"book": moody})) as world:
        await world.until(lambda: len(book.taken) == 1)
        moody.plan(Mood.REFUSES)
        await world.until_said("delivery_attempt_failed")
        await world.apply(replace(world.settings, sinks=()))
        assert await rows(world) == []
        assert "deliveries_pending{" not in world.metrics()
        assert moody.closed == 1
        moody.plan(Mood.TAKES)
        await world.until_published(3)
        assert len(book.taken) == 1
        await world.apply(replace(world.settings, sinks=sinks))
        await world.until(lambda: len(book.taken) == 2)
        assert book.taken[-1].content == "snapshot"
        assert await agrees(world, book)


async def test_only_selected_offices_go_to_a_sink(tmp_path: Path) -> None:
    east, some = Book(), Book()
    offices = [office_settings("smile", labels=(("region", "east"),)), office_settings("hill")]
    sinks = [sink_settings("east", region="east"), sink_settings("some", offices=["hill"])]
    async with night(
        tmp_path, TWO, offices, sinks=sinks, make_sink=making({"east": Moody(east), "some": Moody(some)})
    ) as world:
        await world.until(lambda: bool(east.taken and some.taken))
        await world.until_is(Condition.FRESH, "hill")
        await world.until_is(Condition.FRESH, "smile")
        assert (set(east.balances), set(some.balances)) == ({"smile"}, {"hill"})


async def test_a_changed_sink_is_spoken_to_anew_and_misses_nothing(tmp_path: Path) -> None:
    book = Book()
    made: list[SinkSettings] = []

    def make(settings: SinkSettings) -> Sink:
        made.append(settings)
        moody = Moody(book)
        moody.plan(Mood.STALLS if len(made) == 1 else Mood.TAKES)
        return moody

    async with night(tmp_path, [SMALL], sinks=[sink_settings()], make_sink=make) as world:
        await world.until_published(1)
        await anyio.sleep(60)
        assert book.taken == []
        await world.apply(world.settings)
        assert len(made) == 1
        await world.apply(replace(world.settings, sinks=(sink_settings(patience=SHORT),)))
        await world.until(lambda: len(book.taken) == 1)
        assert await agrees(world, book)


async def test_a_courier_that_crashes_too_often_stops_and_a_restart_tries_again(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book)
    moody.plan(Mood.BREAKS)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("sink_stopped")
        assert [line["restarts_left"] for line in world.events("courier_crashed")] == [5, 4, 3, 2, 1, 0]
        assert world.events("sink_stopped")[0]["reason"] == "crashed too often"
        assert "oddaemon_delivery_oldest_pending_timestamp_seconds{sink=" in world.metrics()
        moody.plan(Mood.TAKES)
        await world.crash()
        await world.start()
        await world.until(lambda: len(book.taken) >= 1)
        assert await agrees(world, book)


async def test_a_sink_without_a_courier_that_is_not_wanted_any_more_leaves_no_figures(tmp_path: Path) -> None:
    moody = Moody(Book())
    moody.plan(Mood.BREAKS)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("sink_stopped")
        await world.apply(replace(world.settings, sinks=()))
        reasons = [line["reason"] for line in world.events("sink_stopped")]
        assert reasons == ["crashed too often", "removed or reconfigured"]
        assert "oddaemon_delivery_oldest_pending_timestamp_seconds{" not in world.metrics()


async def test_a_daemon_that_drains_lets_a_delivery_under_way_end(tmp_path: Path) -> None:
    book = Book()
    async with delivering(tmp_path, Moody(book)) as world:
        await world.until_published(1)
        await world.drain()
        assert len(book.taken) in {0, 1}
        assert len(world.events("delivery_succeeded")) == len(book.taken)
        assert world.events("sink_stopped")[-1]["reason"] == "the daemon is stopping"


async def test_a_reload_that_the_end_overtakes_does_not_hold_it_up(tmp_path: Path) -> None:
    book = Book()
    async with delivering(tmp_path, Moody(book)) as world:
        await world.until(lambda: len(book.snapshots()) == 1)
        couriers = world.crew.couriers
        couriers.drain()
        await couriers.apply(replace(world.settings, sinks=(sink_settings(content=CHANGES),)))
        with anyio.fail_after(5):
            await couriers.wait_stopped()


def desk_of(world: World) -> SinkCommands:
    return world.daemon.admin.sinks


async def test_an_order_to_retry_does_not_wait_for_the_back_off(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book, refusal=DeliveryFailed("Slow down.", retry_after_seconds=20_000.0))
    moody.plan(Mood.REFUSES, Mood.TAKES)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("delivery_attempt_failed")
        since = world.clock.now()
        done = await desk_of(world).retry("book", None, 1000)
        assert done["outcome"] == "1 delivery is due now to book."
        await world.until(lambda: len(book.taken) == 1)
        assert world.clock.now() - since < timedelta(seconds=5)
        assert world.events("command_received", "")[-1]["uid"] == 1000


async def test_what_is_skipped_while_it_is_under_way_stays_skipped_and_the_next_is_whole(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book)
    async with delivering(tmp_path, moody, [SMALL], sink_settings(content=CHANGES)) as world:
        await world.until(lambda: len(book.taken) == 1)
        moody.plan(Mood.LOSES_THE_ACK)
        await world.until_said("delivery_attempt_failed")
        await desk_of(world).skip("book", "smile", None)
        moody.plan(Mood.TAKES)
        await world.until(lambda: len(book.taken) == 3)
        assert [payload.content for payload in book.taken] == ["snapshot", "changes", "snapshot"]
        assert await agrees(world, book)
        assert len(world.events("delivery_skipped")) == 1


async def test_a_dead_letter_that_something_newer_took_the_place_of_is_not_revived(tmp_path: Path) -> None:
    book = Book()
    moody = Moody(book)
    moody.plan(Mood.IS_GONE, Mood.TAKES)
    async with delivering(tmp_path, moody) as world:
        await world.until_said("delivery_succeeded")
        with pytest.raises(CommandRejected, match="No delivery waits"):
            await desk_of(world).retry("book", None, None)
        assert len(moody.attempts) == 2


class _Locking(Moody):
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
async def test_a_database_that_fails_once_it_is_acknowledged_has_it_delivered_again_under_the_same_id(
    tmp_path: Path,
) -> None:
    book = Book()
    locking = _Locking(book)
    async with delivering(tmp_path, locking) as world:
        locking.database = world.settings.state.path
        await world.until_said("store_failed")
        assert locking.lock is not None
        locking.lock.close()
        await world.until_said("delivery_succeeded")
        assert book.had.most_common(1)[0][1] == 2
        assert len(book.taken) == 1
        assert await agrees(world, book)
