"""A daemon in a fleet, from its joining to its end: what it holds, does for all, and sees of the others."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio
import anyio.abc

from oddaemon import __version__
from oddaemon.core.fleet.lease import LeaseKind, LeaseLost, Role
from oddaemon.core.fleet.share import Caps
from oddaemon.daemon.services import DaemonContext, Services
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.engine.fleet.command_exchange import CommandExchange
from oddaemon.engine.fleet.fingerprints import ConfigFingerprints, fingerprint_config
from oddaemon.engine.fleet.holder import LeaseFollower
from oddaemon.engine.fleet.host import FleetTiming, HostIdentity
from oddaemon.engine.fleet.membership import Membership
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.engine.fleet.roles import RoleRunner
from oddaemon.settings import Settings
from oddaemon.store import offices
from oddaemon.store.errors import DatabaseLost, StoreError
from oddaemon.store.fleet.connection import FleetDatabase
from oddaemon.store.fleet.overview import read_overview
from oddaemon.store.schema import REVISIONS

ELSEWHERE_SECONDS = 5.0
"""Between two readings of what other hosts have stored."""
GIVE_BACK_SECONDS = 0.2
"""Between two looks at what has stopped, while this host drains."""


class FleetSession:
    """One membership of this daemon; after it was lost, another one follows.

    Args:
        context: What the daemon shares.
        database: Open.
        clock: Shows the database's time from now on.
        remnants: Of this process's previous memberships.
    """

    def __init__(self, context: DaemonContext, database: FleetDatabase, clock: SharedClock, remnants: Remnants) -> None:
        self._context = context
        self._database = database
        self._remnants = remnants
        self._settings = context.settings
        self._exchange: CommandExchange | None = None
        self._configured: ConfigFingerprints | None = None
        self._removed: ConfigFingerprints | None = None
        """The configuration whose removals were carried out."""
        self._seen_at = -ELSEWHERE_SECONDS
        self._shown: frozenset[str] = frozenset()
        """The offices that this host held when the fleet was shown last."""
        fleet = context.settings.fleet
        identity = HostIdentity(fleet.host, fleet.network, __version__, REVISIONS[-1], _get_address(context.settings))
        timing = FleetTiming(fleet.lease_seconds)
        self.membership = Membership(
            database,
            identity,
            timing,
            caps=self._get_caps,
            clock=clock,
            remnants=remnants,
            emit=context.telemetry.emit,
        )

    async def join(self) -> None:
        """Become a member.

        Raises:
            DatabaseLost: The server is one that another has replaced.
            StoreError: The database fails.
        """
        self._require_present_primary()
        self._settings = self._context.settings
        self._configured = fingerprint_config(self._settings, self._settings.fleet.host)
        await self.membership.join(self._configured)

    def make_exchange(self, tasks: anyio.abc.TaskGroup) -> CommandExchange:
        """The commands between this host and the others; those of others are carried out in `tasks`."""
        self._exchange = CommandExchange(self._database, self.membership, self._context.settings.fleet.host, tasks)
        return self._exchange

    async def run(self, services: Services, roles: RoleRunner) -> None:
        """Stay a member until cancelled or lost."""
        followers: dict[LeaseKind, LeaseFollower] = {
            LeaseKind.OFFICE: services.registry,
            LeaseKind.SINK: services.couriers,
            LeaseKind.ROLE: roles,
        }
        on_look: list[Callable[[], Awaitable[None]]] = [
            self._follow_config,
            services.backfill.follow_store,
            *(() if self._exchange is None else (self._exchange.serve,)),
            partial(self._show_fleet, services),
            partial(self._remove_unwanted, services),
        ]
        await self.membership.run(services.rate_limiter, followers, on_look)

    async def drain(self, services: Services) -> None:
        """Give everything back as its work ends, and leave. What the database does not take now, others take later."""
        with suppress(StoreError, LeaseLost):
            await self.membership.begin_drain()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._give_back_stopped)
            await services.drain()
            tasks.cancel_scope.cancel()
        with suppress(StoreError, LeaseLost):
            await self.membership.give_back_idle()

    async def leave(self) -> None:
        """Write that this daemon has ended."""
        with suppress(StoreError, LeaseLost):
            await self.membership.leave()

    def _require_present_primary(self) -> None:
        """Check that no server with a later history was seen: what this one has is not what the fleet has written."""
        seen, timeline, where = self._remnants.timeline, self._database.timeline, self._database.where
        if timeline < seen:
            raise DatabaseLost(
                f"The database {where} is an old primary: it is on timeline {timeline}, and its successor on {seen}.",
                "Take it out of service, or make it a standby of its successor. The daemon connects again by itself.",
            )
        self._remnants.timeline = timeline

    async def _give_back_stopped(self) -> None:
        with suppress(StoreError, LeaseLost):
            # Until cancelled: what still runs ends one by one.
            while True:
                await self.membership.give_back_idle()
                await anyio.sleep(GIVE_BACK_SECONDS)

    async def _follow_config(self) -> None:
        """Tell the others of a configuration that was applied since the last look."""
        if (settings := self._context.settings) is not self._settings:
            config = fingerprint_config(settings, settings.fleet.host)
            await self.membership.save_config(config)
            self._settings, self._configured = settings, config

    async def _show_fleet(self, services: Services) -> None:
        """Show who works for which office, and those of other hosts as they have stored them."""
        held = frozenset(self.membership.holdings.held[LeaseKind.OFFICE])
        is_due = anyio.current_time() - self._seen_at >= ELSEWHERE_SECONDS
        if is_due or held != self._shown:
            self._shown, host = held, self._context.settings.fleet.host
            self._context.fleet.show_overview(await read_overview(self._database, host, self.membership.number))
        if not is_due:
            return
        self._seen_at = anyio.current_time()
        if elsewhere := services.registry.list_elsewhere():
            rows = {row.id: row for row in await offices.list_all(self._database)}
            services.registry.show_stored(rows, elsewhere)

    async def _remove_unwanted(self, services: Services) -> None:
        """Remove what no host has any more, once all agree; one of them does it."""
        membership, role = self.membership, Role.CONFIGURATION
        holdings = membership.holdings
        if self._removed == self._configured or not holdings.holds(LeaseKind.ROLE, role):
            return
        if not membership.has_agreement:
            self._removed = None
            return
        with suppress(LeaseLost):
            database = holdings.get_database(LeaseKind.ROLE, role)
            await offices.remove_others(database, self._context.settings.offices, services.couriers.offices_by_sink)
            self._removed = self._configured

    def _get_caps(self) -> Caps:
        api = self._context.settings.api
        return Caps(api.max_in_flight, api.max_requests_per_second)


def _get_address(settings: Settings) -> str:
    return settings.http.listen
