"""Hosts of a fleet in one process, on a real database: what they hold, and what follows it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import anyio.abc

from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.fleet.share import Caps
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.engine.fleet.command_exchange import CommandExchange
from oddaemon.engine.fleet.fingerprints import ConfigFingerprints
from oddaemon.engine.fleet.host import FleetTiming, HostIdentity
from oddaemon.engine.fleet.membership import Membership
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.telemetry.events.base import Event
from tests.store.postgresql.database import open_database

CAPS = Caps(8, 40.0)


@dataclass
class Follower:
    """Runs nothing, and says what it would run."""

    list_held: Callable[[], frozenset[str]] = frozenset
    running: frozenset[str] = frozenset()
    busy: set[str] = field(default_factory=set)

    def is_idle(self, name: str) -> bool:
        return name not in self.busy

    async def follow_leases(self) -> None:
        self.running = self.list_held()


@dataclass
class Host:
    """A daemon, as far as its fleet sees it."""

    membership: Membership
    database: PostgresDatabase
    rate_limiter: RateLimiter
    remnants: Remnants
    followers: Mapping[LeaseKind, Follower]
    events: list[Event]
    exchange: CommandExchange
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def offices(self) -> frozenset[str]:
        return frozenset(self.membership.holdings.held[LeaseKind.OFFICE])

    def freeze(self) -> None:
        """It does nothing more, and closes nothing."""
        self.scope.cancel()


async def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    with anyio.fail_after(seconds):
        while True:
            if condition():
                return
            await anyio.sleep(0.02)


@asynccontextmanager
async def running_host(
    dsn: str,
    tasks: anyio.abc.TaskGroup,
    name: str,
    config: ConfigFingerprints,
    *,
    lease_seconds: float = 6.0,
    network: str = "",
    remnants: Remnants | None = None,
) -> AsyncIterator[Host]:
    """A host that has joined and runs."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(dsn, emptied=False))
        events: list[Event] = []
        clock, remnants = SharedClock(lambda: datetime.now(UTC)), remnants or Remnants()
        membership = Membership(
            database, HostIdentity(name, network, "1", "0004"), FleetTiming(lease_seconds),
            caps=lambda: CAPS, clock=clock, remnants=remnants, emit=events.append,
        )  # fmt: skip
        followers = {kind: Follower() for kind in LeaseKind}
        for kind, follower in followers.items():
            follower.list_held = lambda kind=kind: frozenset(membership.holdings.held[kind])  # type: ignore[misc]
        await membership.join(config)
        limiter = RateLimiter(CAPS.max_in_flight, CAPS.max_requests_per_second)
        exchange = CommandExchange(database, membership, name, tasks)
        host = Host(membership, database, limiter, remnants, followers, events, exchange)

        async def run() -> None:
            with host.scope:
                await membership.run(limiter, followers, [exchange.serve])

        tasks.start_soon(run)
        yield host
        host.scope.cancel()
