"""The daemon dies around every acknowledgement, on virtual time: the consumer's state equals the snapshot each time."""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.core.delivery import Content, DeliveryState
from oddaemon.core.snapshot.payload import Payload
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.store import outbox
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.delivery.fake_consumer import ConsumerBook, ScriptedSink, SinkBehavior, make_sink_settings
from tests.engine.night import night
from tests.engine.world import World

TWO = [PracticeSpec("smile", seed=1, guarantors=40), PracticeSpec("hill", seed=2, guarantors=30)]
NIGHTS = 4
MOMENTS = ("before it is taken", "before it is acknowledged", "before that is stored", "once that is stored")
CONTENTS = tuple(Content)
WEIGHTS = {SinkBehavior.ACCEPTS: 5, SinkBehavior.REJECTS: 2, SinkBehavior.LOSES_ACK: 2}


@pytest.fixture
def anyio_backend(virtual_time: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual_time


@dataclass
class KillingSink:
    """A consumer at whose first attempt of each delivery the daemon dies, at the same moment each time."""

    book: ConsumerBook
    moment: str
    world: World | None = None
    attempts: Counter[str] = field(default_factory=Counter)
    crashed: anyio.Event = field(default_factory=anyio.Event)

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        self.attempts[delivery_id] += 1
        is_first = self.attempts[delivery_id] == 1
        await self._crash_if(is_first and self.moment == MOMENTS[0])
        self.book.accept(payload, delivery_id)
        await self._crash_if(is_first and self.moment == MOMENTS[1])
        if is_first and self.moment == MOMENTS[2]:
            self._crash()  # what is under way ends at its next wait, which is for its turn to store

    async def aclose(self) -> None:
        pass

    def check_line(self, line: dict[str, Any]) -> None:
        if self.moment == MOMENTS[3] and line["event"] == "delivery_succeeded":
            self._crash()

    async def _crash_if(self, condition: bool) -> None:
        if condition:
            self._crash()
            await anyio.sleep_forever()

    def _crash(self) -> None:
        assert self.world is not None
        self.world.kill()
        self.crashed.set()


async def count_states(world: World) -> Counter[DeliveryState]:
    async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
        return Counter(row.state for row in await outbox.list_deliveries(database))


@pytest.mark.slow("many starts; one random moment is among the quick tests of `tests/crash/daemon`")
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_around_each_acknowledgement(tmp_path: Path, moment: str, content: Content) -> None:
    deadly = KillingSink(ConsumerBook(), moment)
    sinks = [make_sink_settings(content=content)]
    async with night(tmp_path, TWO, sinks=sinks, make_sink=lambda _: deadly, running=False) as world:
        deadly.world, world.on_line = world, deadly.check_line
        for _ in range(NIGHTS * len(TWO)):
            deadly.crashed = anyio.Event()
            await world.start()
            await deadly.crashed.wait()
            await world.wait_ended()
        deadly.moment = "never"
        await world.start()
        await _wait_until_consistent(world, deadly.book)
        again = 2 if moment != MOMENTS[3] else 1
        assert Counter(deadly.attempts.values())[again] >= NIGHTS * len(TWO)
        expected = {MOMENTS[0]: 1, MOMENTS[1]: 2, MOMENTS[2]: 2, MOMENTS[3]: 1}[moment]
        assert deadly.book.delivery_counts.most_common(1)[0][1] == expected


@pytest.mark.slow("dozens of crashes for each seed")
@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_random_with_a_consumer_of_many_behaviors(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    sink = ScriptedSink(ConsumerBook(), refusal=DeliveryFailed("The consumer is in a bad mood."))
    sinks = [make_sink_settings(content=Content.CHANGES)]
    async with night(tmp_path, TWO, sinks=sinks, make_sink=lambda _: sink) as world:
        for _ in range(25):
            sink.plan(*rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=8), SinkBehavior.ACCEPTS)
            await world.wait_for_lines(lines=rng.randint(1, 12), steps=rng.randint(0, 25))
            await world.crash()
            await world.start()
        sink.plan(SinkBehavior.ACCEPTS)
        await _wait_until_consistent(world, sink.book)


async def _wait_until_consistent(world: World, book: ConsumerBook) -> None:
    """Let the nights pass, then hold what the consumer has against what is published."""
    for each in TWO:
        with anyio.fail_after(20 * 86_400):
            await _wait_until_delivered(world, each.office_id)
        assert book.get_balances(each.office_id) == await world.read_balances(each.office_id)
        assert book.list_snapshot_ids(each.office_id) == [row.id for row in await world.read_history(each.office_id)]


async def _wait_until_delivered(world: World, office_id: str) -> None:
    """Wait until enough nights are published and nothing is due."""
    while True:
        is_published = len(await world.read_history(office_id)) >= NIGHTS
        if is_published and not (await count_states(world))[DeliveryState.DUE]:
            return
        await anyio.sleep(300)
