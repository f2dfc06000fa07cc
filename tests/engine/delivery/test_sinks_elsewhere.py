"""A sink that another host has: its deliveries are counted there, and no old count stays here."""

import random
from datetime import UTC, datetime
from typing import Any

import anyio

from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.engine.fleet.holder import SoleHolder
from oddaemon.engine.tasks import CrashBudget
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.telemetry.events import OutboxSize
from oddaemon.telemetry.events.base import Event
from tests.engine.delivery.fake_consumer import ConsumerBook, ScriptedSink, make_sink_settings

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


class HolderOfNothing(SoleHolder):
    """One host of a fleet, to which nothing has come yet."""

    is_shared = True

    def holds(self, kind: object, name: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return False


async def test_the_outbox_of_a_sink_elsewhere_is_empty_here_and_said_once() -> None:
    events: list[Event] = []
    no_database: Any = None
    async with anyio.create_task_group() as tasks:
        limiter, rng = RateLimiter(1, 1.0), random.Random(1)
        holder = HolderOfNothing(no_database)
        context = EngineContext(no_database, holder, lambda: NOW, limiter, rng, events.append, None)
        pool = CourierPool(tasks, context, lambda _: ScriptedSink(ConsumerBook()), CrashBudget(1, 60.0))
        settings = make_sink_settings()
        await pool.apply([settings], ())
        await pool.follow_leases()
        tasks.cancel_scope.cancel()
    assert events == [OutboxSize(settings.name, 0, None)]
