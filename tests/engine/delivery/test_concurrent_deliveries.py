"""Deliveries of several offices to one sink at once."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from oddaemon.core.delivery import Content
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.payload import Payload
from oddaemon.settings import SinkSettings
from oddaemon.settings.tables.sink import WebhookSettings
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.sinks.payload import DeliveryFailed
from tests.engine.delivery.fake_consumer import ConsumerBook
from tests.engine.night import night
from tests.engine.world import World

NAMES = ("ash", "elm", "fir", "oak", "yew")
SPECS = [PracticeSpec(name, seed=seed, guarantors=20) for seed, name in enumerate(NAMES)]
IN_FLIGHT_MAX = 3


@dataclass
class SlowSink:
    """A consumer that takes its time, and counts whom it serves."""

    book: ConsumerBook = field(default_factory=ConsumerBook)
    seconds: float = 30.0
    rejects: bool = False
    stalled: set[str] = field(default_factory=set)
    serving: Counter[str] = field(default_factory=Counter)
    in_flight_max: int = 0
    """Deliveries at once."""
    per_office_max: int = 0
    """The same, of one office."""
    rejections: int = 0
    attempts: list[float] = field(default_factory=list)

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        self.attempts.append(anyio.current_time())
        self.serving[payload.office_id] += 1
        self.in_flight_max = max(self.in_flight_max, self.serving.total())
        self.per_office_max = max(self.per_office_max, *self.serving.values())
        try:
            await anyio.sleep(self.seconds)
            while payload.office_id in self.stalled:  # noqa: ASYNC110 - it is the consumer's own time that passes
                await anyio.sleep(self.seconds)
            if self.rejects:
                self.rejections += 1
                raise DeliveryFailed("Not now.")
            self.book.accept(payload, delivery_id)
        finally:
            self.serving[payload.office_id] -= 1

    async def aclose(self) -> None:
        assert not self.serving.total(), "nothing is on its way when it is closed"


def make_settings(content: Content, in_flight_max: int = IN_FLIGHT_MAX) -> SinkSettings:
    url = Secret("https://ledger.example.com/")
    return WebhookSettings(
        name="book",
        kind="webhook",
        url=url,
        secret=Secret("whsec_"),
        content=content.value,
        max_in_flight=in_flight_max,
    )


def delivering_night(
    tmp_path: Path, sink: SlowSink, content: Content = Content.CHANGES, in_flight_max: int = IN_FLIGHT_MAX
) -> AbstractAsyncContextManager[World]:
    made: Mapping[str, SlowSink] = {"book": sink}
    sinks = [make_settings(content, in_flight_max)]
    return night(tmp_path, SPECS, sinks=sinks, make_sink=lambda each: made[each.name])


def read_pending(world: World) -> float:
    [line] = [line for line in world.render_metrics().splitlines() if line.startswith("oddaemon_deliveries_pending{")]
    return float(line.split()[-1])


@pytest.mark.parametrize(
    ("in_flight_max", "content"), [(1, Content.CHANGES), (IN_FLIGHT_MAX, Content.CHANGES), (50, Content.SNAPSHOT)]
)
async def test_so_many_offices_at_once_and_each_office_in_order(
    tmp_path: Path, content: Content, in_flight_max: int
) -> None:
    slow = SlowSink()
    async with delivering_night(tmp_path, slow, content, in_flight_max) as world:
        await world.wait_until(lambda: all(len(slow.book.list_snapshot_ids(name)) >= 2 for name in NAMES))
        assert slow.in_flight_max == min(in_flight_max, len(NAMES))
        assert slow.per_office_max == 1
        assert set(slow.book.delivery_counts.values()) == {1}
        for name in NAMES:
            assert slow.book.list_snapshot_ids(name) == sorted(slow.book.list_snapshot_ids(name))
            assert slow.book.get_balances(name) == await world.read_balances(name)
        await world.wait_until(lambda: read_pending(world) == 0)


async def test_one_that_hangs_holds_up_its_own_office_only(tmp_path: Path) -> None:
    slow = SlowSink(stalled={"elm"})
    async with delivering_night(tmp_path, slow) as world:
        await world.wait_until(
            lambda: all(len(slow.book.list_snapshot_ids(name)) >= 2 for name in NAMES if name != "elm")
        )
        assert slow.book.list_snapshot_ids("elm") == []
        # All of that office's wait, the one on its way included.
        await world.wait_until(lambda: read_pending(world) >= 2)
        slow.stalled.clear()
        await world.wait_until(lambda: len(slow.book.list_snapshot_ids("elm")) >= 2)
        assert slow.book.get_balances("elm") == await world.read_balances("elm")
        assert set(slow.book.delivery_counts.values()) == {1}


async def test_who_has_refused_is_tried_with_one_until_it_takes_again(tmp_path: Path) -> None:
    slow = SlowSink(rejects=True)
    async with delivering_night(tmp_path, slow) as world:
        await world.wait_until(lambda: slow.rejections > 0 and not slow.serving.total())
        slow.in_flight_max = 0
        rejections = slow.rejections
        await world.wait_until(lambda: slow.rejections >= rejections + 3)
        assert slow.in_flight_max == 1
        slow.rejects = False
        await world.wait_until(lambda: all(slow.book.list_snapshot_ids(name) for name in NAMES))
        assert slow.in_flight_max > 1


async def test_what_is_skipped_on_its_way_lets_the_next_of_its_office_wait_for_its_end(tmp_path: Path) -> None:
    slow = SlowSink(stalled={"elm"})
    async with delivering_night(tmp_path, slow) as world:
        await world.wait_until(lambda: len(slow.book.list_snapshot_ids("ash")) >= 2)
        await world.daemon.admin.sinks.skip("book", "elm", None)
        await world.wait_until(lambda: len(slow.book.list_snapshot_ids("ash")) >= 3)
        assert slow.per_office_max == 1
        slow.stalled.clear()
        await world.wait_until(lambda: len(slow.book.list_snapshot_ids("elm")) >= 3)
        # What became of the skipped one is not known, so the next one carries everything.
        assert [each.content for each in slow.book.accepted if each.office_id == "elm"][1] == "snapshot"
        assert slow.per_office_max == 1
        assert slow.book.get_balances("elm") == await world.read_balances("elm")


async def test_a_daemon_that_drains_lets_all_on_their_way_end_and_begins_no_other(tmp_path: Path) -> None:
    slow = SlowSink()
    async with delivering_night(tmp_path, slow) as world:
        await world.wait_until(lambda: slow.serving.total() == IN_FLIGHT_MAX)
        begun = len(slow.attempts)
        await world.drain()
        assert len(slow.attempts) == begun
        assert len(slow.book.accepted) == begun


async def test_an_unforeseen_error_of_one_delivery_is_reported_and_leaves_the_others_alone(tmp_path: Path) -> None:
    class Breaking(SlowSink):
        async def deliver(self, payload: Payload, delivery_id: str) -> None:
            if payload.office_id == "fir" and len(self.attempts) < len(NAMES):
                self.attempts.append(anyio.current_time())
                raise ZeroDivisionError
            await super().deliver(payload, delivery_id)

    breaking = Breaking()
    async with delivering_night(tmp_path, breaking) as world:
        await world.wait_until(lambda: all(breaking.book.list_snapshot_ids(name) for name in NAMES))
        assert {line["error"] for line in world.find_events("peer_error_unforeseen")} == {"ZeroDivisionError"}
        assert {line["office"] for line in world.lines if line["event"] == "delivery_attempt_failed"} == {"fir"}
        assert breaking.per_office_max == 1
