"""Everybody who is at work in a daemon: a worker for each office, a courier for each sink, who reads past days.

They share one gate, one way to the offices and one database. Who of them is wanted follows the configuration, which is
put in force elsewhere; here they are made, and end in good order.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.abc

from oddaemon.engine.backfill import Backfiller
from oddaemon.engine.backfill_reading import Surroundings as BackfillSurroundings
from oddaemon.engine.courier import Streets
from oddaemon.engine.couriers import Couriers, SinkFactory
from oddaemon.engine.fleet import Fleet
from oddaemon.engine.guard import Budget
from oddaemon.engine.outbox import Outbox
from oddaemon.engine.registry import Registry
from oddaemon.engine.supervisor import Supervisor
from oddaemon.opendental.client import Api, ApiEvent, Limits, TransportFactory
from oddaemon.opendental.gate import Gate
from oddaemon.receiver import Receiver
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the crew works with, the database apart."""

    fleet: Fleet
    settings: Callable[[], Settings]
    """Those in force."""
    emit: Callable[[Event], None]
    dice: random.Random
    """For back-off."""
    transport: TransportFactory | None
    """What carries requests; None: the network."""
    receiver: Receiver | None
    """Takes what offices upload; None: nobody does."""
    make_sink: SinkFactory


class Crew:
    """The crew of one daemon. Nobody works until settings are put in force.

    Args:
        database: Where all that they bring goes.
        tasks: Where they live.
        equipment: What else they work with.
    """

    def __init__(self, database: Database, tasks: anyio.abc.TaskGroup, equipment: Equipment) -> None:
        settings, fleet, emit, dice = equipment.settings(), equipment.fleet, equipment.emit, equipment.dice
        api, self._drain_seconds = settings.api, settings.daemon.drain_seconds
        budget, outbox = Budget(settings.daemon.restarts_max, settings.daemon.restarts_within_seconds), Outbox()
        limits = Limits(api.connect_timeout_seconds, api.request_timeout_seconds, api.max_response_bytes)
        self._emit = emit
        self._fleet = fleet
        self._gate = Gate(api.max_in_flight, api.max_requests_per_second)
        self.api = Api(self._gate, limits, self._observe, fleet.now, equipment.transport)
        self.registry = Registry(
            database,
            self.api,
            fleet,
            emit,
            dice,
            outbox=outbox,
            receiver=equipment.receiver,
            key_change_seconds=api.key_change_seconds,
        )
        self.couriers = Couriers(tasks, Streets(database, fleet.now, dice, emit), equipment.make_sink, outbox, budget)
        self.supervisor = Supervisor(
            tasks=tasks,
            work=self.registry.work,
            quarantine=self.registry.quarantine,
            gate=self._gate,
            budget=budget,
            emit=emit,
        )
        self.backfiller = Backfiller(
            BackfillSurroundings(
                database,
                self.registry,
                fleet,
                self._gate,
                emit,
                dice,
                lambda: equipment.settings().cadence,
                equipment.receiver,
            )
        )

    async def end(self) -> None:
        """Begin nothing more, and wait for what is under way, though no longer than `drain_seconds`."""
        self._gate.close()
        self.couriers.end()
        with anyio.move_on_after(self._drain_seconds):
            await self.supervisor.ended()
            await self.couriers.ended()
            await self.backfiller.ended()

    def _observe(self, event: ApiEvent) -> None:
        self._fleet.observe(event)
        self.registry.vitals.observe(event)
        self._emit(event)
