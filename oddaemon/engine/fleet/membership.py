"""One daemon's place in its fleet: it joins, renews, looks around, takes what is its own and gives the rest back.

`core.fleet` makes all decisions, from rows that the database has; this performs them. One task does it on a connection
of its own, so neither a large transaction nor a crowd of requests delays a renewal. Another task only watches the
clock. Once no renewal has come for so long that other hosts may think this one gone, it ends the membership, whatever
the first task waits for. A membership that was lost never comes back: the daemon joins again as a new member, and reads
everything again.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import anyio

from oddaemon.core.fleet.agreement import has_agreement, list_differences
from oddaemon.core.fleet.clock import is_trusted
from oddaemon.core.fleet.lease import Lease, LeaseKind, LeaseLost, Role
from oddaemon.core.fleet.member import Departure, Member, Stage, find_member
from oddaemon.core.fleet.placement import count_unheld, place_leases
from oddaemon.core.fleet.share import Caps, compute_share, find_known_number, has_room, may_hold_offices
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.engine.fleet.fingerprints import ConfigFingerprints
from oddaemon.engine.fleet.fleet_view import FleetView
from oddaemon.engine.fleet.holder import LeaseFollower
from oddaemon.engine.fleet.holdings import Holdings
from oddaemon.engine.fleet.host import FleetTiming, HostIdentity
from oddaemon.engine.fleet.notices import FleetNotices
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.store.errors import DatabaseLost, StoreError
from oddaemon.store.fleet import commands, leases, members
from oddaemon.store.fleet.connection import FleetDatabase
from oddaemon.store.fleet.members import CHANNEL, NewMember
from oddaemon.telemetry.events import (
    MemberGone,
    MemberJoined,
    MemberWorking,
)
from oddaemon.telemetry.events.base import Event

WATCH_SECONDS = 0.25
"""Between two looks at the clock."""
RETRY_SECONDS = 0.5
"""After a statement that failed, while the membership still lasts."""


class Membership:
    """This daemon as a member, once it has joined.

    Attributes:
        holdings: What it holds.
        view: The fleet as it was at the last look.
    """

    def __init__(
        self,
        database: FleetDatabase,
        identity: HostIdentity,
        timing: FleetTiming,
        *,
        caps: Callable[[], Caps],
        clock: SharedClock,
        remnants: Remnants,
        emit: Callable[[Event], None],
    ) -> None:
        self.holdings = Holdings(database, clock, remnants, emit)
        self.view: FleetView | None = None
        self._database = database
        self._identity = identity
        self._timing = timing
        self._caps = caps
        self._clock = clock
        self._remnants = remnants
        self._emit = emit
        self._config = ConfigFingerprints("", {}, {})
        self._followers: Mapping[LeaseKind, LeaseFollower] = {}
        self._on_look: list[Callable[[], Awaitable[None]]] = []
        self._rate_limiter: RateLimiter | None = None
        self._stage = Stage.JOINING
        self._renewed_at = 0.0
        """When the last successful renewal was sent; by the boot clock."""
        self._knows = 0
        self._share = Caps(0, 1.0)
        self._looks = 0
        self._works_since = 0.0
        self._gave_back_at = dict.fromkeys(LeaseKind, 0.0)
        self._lock = anyio.Lock()
        """What is held changes by one task at a time."""
        self._wait_scope = anyio.CancelScope()
        self._is_woken = False
        self._notices = FleetNotices(emit)

    @property
    def number(self) -> int:
        """The member's."""
        return self.holdings.number

    @property
    def lost(self) -> anyio.Event:
        """Set when the membership has ended otherwise than by `leave`."""
        return self.holdings.lost

    async def join(self, config: ConfigFingerprints) -> None:
        """Become a member. Nothing is held yet.

        Raises:
            StoreError: The database fails.
        """
        self._config = config
        keeper, identity = self._database.keeper, self._identity
        for previous in self._remnants.numbers:
            # Nothing is done under it any more: its leases need not wait until it expires.
            await members.leave(keeper, previous, Departure.REJOINED)
        sent = self._clock.read_boot_clock()
        new = NewMember(
            host=identity.host,
            network=identity.network,
            pid=os.getpid(),
            version=identity.version,
            revision=identity.revision,
            address=identity.address,
            session=self._database.session,
            settings=config.settings,
            offices=config.offices,
            sinks=config.sinks,
        )
        await members.forget_old(keeper)
        await commands.forget_old(keeper)
        self.holdings.number, at = await members.join(keeper, new, self._timing.lease)
        self._renewed_at = sent
        self._clock.add_sample(sent, at)
        await keeper.listen(CHANNEL)
        await self._add_leases()
        await members.notify(keeper)
        present = await members.list_members(keeper)
        others = sum(each.is_alive and each.number != self.number for each in present.members)
        self._emit(MemberJoined(self.number, identity.host, others))

    async def run(
        self,
        rate_limiter: RateLimiter,
        followers: Mapping[LeaseKind, LeaseFollower],
        on_look: Iterable[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """Stay a member until cancelled or lost.

        Args:
            rate_limiter: Gets this member's share of the caps.
            followers: Run what is held.
            on_look: Called after each look.
        """
        self._rate_limiter, self._followers, self._on_look = rate_limiter, followers, list(on_look)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_trust, name="fleet trust")
            tasks.start_soon(self._keep_renewing, name="fleet renewals")
            while not self.lost.is_set() and self._stage is not Stage.GONE:
                try:
                    await self._look_around()
                except StoreError as error:
                    await self._endure(error)
                except LeaseLost:
                    # Of one lease; the next look finds out.
                    await anyio.sleep(RETRY_SECONDS)
            tasks.cancel_scope.cancel()

    def wake(self) -> None:
        """Look now."""
        self._is_woken = True
        self._wait_scope.cancel()

    def lose(self, why: str) -> None:
        """As `Holdings.lose`."""
        self.holdings.lose(why)

    async def save_config(self, config: ConfigFingerprints) -> None:
        """Tell the others which configuration this host has from now on.

        Raises:
            StoreError: The database fails.
        """
        previous, self._config = self._config, config
        turns = self._database.turns
        async with self._lock:
            await self._add_leases()
            await members.save_config(turns, self.number, config.settings, config.offices, config.sinks)
            for kind, old, new in (
                (LeaseKind.OFFICE, previous.offices, config.offices),
                (LeaseKind.SINK, previous.sinks, config.sinks),
            ):
                changed = {
                    name: new[name] for name in self.holdings.held[kind] if name in new and new[name] != old.get(name)
                }
                await leases.mark_fingerprints(turns, self.number, kind, changed)
                self.holdings.held[kind].update(
                    {name: replace(self.holdings.held[kind][name], fingerprint=each) for name, each in changed.items()}
                )
            await members.notify(turns)
        self.wake()

    async def begin_drain(self) -> None:
        """Take nothing any more."""
        self._stage = Stage.DRAINING
        await members.begin_drain(self._database.turns, self.number)

    async def give_back_idle(self) -> bool:
        """Give back every lease whose work has stopped. Returns whether nothing is held any more."""
        async with self._lock:
            for kind, held in self.holdings.held.items():
                follower = self._followers.get(kind)
                names = [name for name in held if follower is None or follower.is_idle(name)]
                await self._give_back(kind, names)
        return not any(self.holdings.held.values())

    async def leave(self) -> None:
        """Write that this daemon has ended in good order. What it still holds is free for others."""
        self._stage = Stage.GONE
        await members.leave(self._database.turns, self.number, Departure.DRAINED)
        await members.notify(self._database.turns)
        self._remnants.add(self.number)

    async def _add_leases(self) -> None:
        turns = self._database.turns
        await leases.add(turns, LeaseKind.ROLE, [role.value for role in Role])
        await leases.add(turns, LeaseKind.OFFICE, self._config.offices)
        await leases.add(turns, LeaseKind.SINK, self._config.sinks)

    async def _watch_trust(self) -> None:
        while True:
            if not is_trusted(self._renewed_at, self._clock.read_boot_clock(), self._timing.trust):
                break
            await anyio.sleep(WATCH_SECONDS)
        self.lose(f"The database has confirmed no renewal for {self._timing.trust:g} s.")

    async def _keep_renewing(self) -> None:
        """Renew in time, whatever looking around waits for: the end of a worker, or another host's call."""
        while not self.lost.is_set() and self._stage is not Stage.GONE:
            due = self._renewed_at + self._timing.renewal
            await anyio.sleep(max(0.0, due - self._clock.read_boot_clock()))
            try:
                await self._renew()
            except StoreError as error:
                await self._endure(error)

    async def _endure(self, error: StoreError) -> None:
        """Go on after a fault of the database, as long as the trust lasts; without a connection there is none."""
        if isinstance(error, DatabaseLost) or not error.is_transient:
            self.lose(error.what)
        else:
            await anyio.sleep(RETRY_SECONDS)

    async def _look_around(self) -> None:
        async with self._lock:
            await self._look()
            for follower in self._followers.values():
                # Again, in case that it failed when a lease was taken.
                await follower.follow_leases()
        for work in self._on_look:
            await work()
        await self._wait(self._timing.look)

    async def _wait(self, seconds: float) -> None:
        """Wait until another host calls, or this one."""
        with anyio.CancelScope() as self._wait_scope:
            if not self._is_woken:
                await self._database.keeper.wait_notification(seconds)
        self._is_woken = False

    async def _renew(self) -> None:
        sent = self._clock.read_boot_clock()
        at = await members.renew(self._database.turns, self.number, self._stage, self._knows, self._timing.lease)
        if self._stage is Stage.GONE:
            return
        if at is None:
            self.lose("Another host has found that this one did not renew in time.")
            return
        self._renewed_at = sent
        self._clock.add_sample(sent, at)
        self._notices.report_skew(self._clock)

    async def _look(self) -> None:
        keeper = self._database.keeper
        found = await members.list_members(keeper)
        if any(each.is_alive and each.expires_at < found.at for each in found.members):
            for number, host in await members.mark_gone(keeper):
                self._emit(MemberGone(number, host))
            found = await members.list_members(keeper)
        me = find_member(found.members, self.number)
        if self._stage is Stage.GONE:
            return
        if me is None or not me.is_alive:
            self.lose("Another host has found that this one did not renew in time.")
            return
        open_leases = await leases.list_open(keeper)
        self._looks += 1
        await self._update_share(me, found.members, open_leases, found.at)
        if self._stage is Stage.WORKING and me.stage is Stage.WORKING:
            await self._place(me, found.members, open_leases, found.at)
        differences = tuple(list_differences(found.members))
        self._notices.report_differences(differences)
        self.view = FleetView(found.at, found.rows, count_unheld(found.members, open_leases), differences)

    @property
    def has_agreement(self) -> bool:
        """Whether the configurations of all members were the same at the last look: what is removed may be deleted."""
        if self.view is None:
            return False
        everybody = [row.member for row in self.view.rows]
        me = find_member(everybody, self.number)
        is_current = me is not None and (me.settings, me.offices) == (self._config.settings, self._config.offices)
        return is_current and has_agreement(everybody)

    async def _update_share(
        self, me: Member, everybody: Collection[Member], open_leases: Iterable[Lease], at: datetime
    ) -> None:
        """Keep this member's part of the caps; renew at once if others wait for it."""
        assert self._rate_limiter is not None, "set before the first look"
        share = compute_share(self._caps(), everybody, open_leases, me, at)
        if share != self._share:
            self._share = share
            self._rate_limiter.set_caps(share.max_in_flight, share.max_requests_per_second)
        knows = find_known_number(everybody, me, self._rate_limiter.in_flight, share)
        begins = self._stage is Stage.JOINING and self._looks > 1 and has_room(me, everybody)
        if begins:
            self._stage = Stage.WORKING
            self._works_since = self._clock.read_boot_clock()
            self._emit(MemberWorking(self.number))
        if knows != self._knows or begins:
            self._knows = knows
            await self._renew()
            await members.notify(self._database.keeper)

    async def _place(
        self, me: Member, everybody: Collection[Member], open_leases: Iterable[Lease], at: datetime
    ) -> None:
        """Take what is this member's, and give back what is not."""
        mine = [lease for held in self.holdings.held.values() for lease in held.values()]
        mine.sort(key=self._is_busy)  # those that can be given back now come first
        free = [lease for lease in open_leases if lease.holder != self.number]
        may_hold = may_hold_offices(self._caps(), everybody, me)
        now = self._clock.read_boot_clock()
        if now - self._works_since < self._timing.look:
            # Hosts that start together share at once, instead of handing over what the first one took.
            everybody = [
                replace(each, stage=Stage.WORKING) if each.stage is Stage.JOINING else each for each in everybody
            ]
        placement = place_leases(me, everybody, [*mine, *free], at, may_hold_offices=may_hold)
        for kind in LeaseKind:
            await self._take(kind, [lease.name for lease in placement.take if lease.kind is kind])
            follower = self._followers.get(kind)
            names = [lease.name for lease in placement.give_back if lease.kind is kind]
            if names and now - self._gave_back_at[kind] >= self._timing.look:
                # A few at a time, however often other hosts call.
                self._gave_back_at[kind] = now
                await self._give_back(kind, [name for name in names if follower is None or follower.is_idle(name)])

    def _is_busy(self, lease: Lease) -> bool:
        follower = self._followers.get(lease.kind)
        return follower is not None and not follower.is_idle(lease.name)

    async def _take(self, kind: LeaseKind, names: Iterable[str]) -> None:
        wants = {LeaseKind.OFFICE: self._config.offices, LeaseKind.SINK: self._config.sinks}.get(kind)
        fingerprints = {
            name: "" if wants is None else wants[name]
            for name in names
            if name not in self._remnants.under_way and (wants is None or name in wants)
        }
        cut = self._remnants.list_open(self._clock.read_boot_clock())
        taken = await leases.take(
            self._database.keeper, self.number, kind, fingerprints, ended=self._remnants.numbers, cut=cut
        )
        if not taken:
            return
        self.holdings.held[kind].update({lease.name: lease for lease in taken})
        self._notices.report_taken(kind, [lease.name for lease in taken])
        await self._follow(kind)

    async def _give_back(self, kind: LeaseKind, names: Collection[str]) -> None:
        """Stop the work of these leases, and give them back; one with an open request stays."""
        held = self.holdings.held[kind]
        given = {name: held.pop(name) for name in names if name in held}
        if not given:
            return
        await self._follow(kind)
        free = await leases.give_back(self._database.turns, self.number, kind, given)
        kept = {name: lease for name, lease in given.items() if name not in free}
        if free:
            await commands.release(self._database.turns, self.number, kind, free)
            self._notices.report_given_back(kind, free)
            await members.notify(self._database.turns)
        if kept:
            held.update(kept)
            await self._follow(kind)

    async def _follow(self, kind: LeaseKind) -> None:
        if (follower := self._followers.get(kind)) is not None:
            await follower.follow_leases()
