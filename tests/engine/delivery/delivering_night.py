"""Nights of a daemon that delivers to one sink."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from oddaemon.core.delivery import Content, RetryPolicy
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.settings import SinkSettings
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.sinks.payload import Sink
from oddaemon.store import outbox
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.delivery.fake_consumer import ConsumerBook, make_sink_settings
from tests.engine.night import SMALL, night
from tests.engine.world import World

TWO = [PracticeSpec("smile", seed=1, guarantors=40), PracticeSpec("hill", seed=2, guarantors=30)]
CHANGES = Content.CHANGES
SHORT = RetryPolicy(give_up_after_seconds=7200.0)


def make_sink_factory(sinks: Mapping[str, Sink]) -> SinkFactory:
    return lambda settings: sinks[settings.name]


def delivering_night(
    tmp_path: Path,
    sink: Sink,
    specs: Sequence[PracticeSpec] = (SMALL,),
    settings: SinkSettings | None = None,
) -> AbstractAsyncContextManager[World]:
    """Nights of a daemon with one sink."""
    return night(tmp_path, specs, sinks=[settings or make_sink_settings()], make_sink=make_sink_factory({"book": sink}))


async def is_consistent(world: World, book: ConsumerBook, office_id: str = "smile") -> bool:
    """Whether the consumer holds exactly what is published."""
    return book.get_balances(office_id) == await world.read_balances(office_id)


async def read_outbox(world: World) -> list[outbox.DeliveryRow]:
    async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
        return await outbox.list_deliveries(database)
