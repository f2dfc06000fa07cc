"""The tables of a fleet in memory, and a host that works by them, for the properties of the protocol.

Each method of `FleetTables` is one statement of the database: it sees and changes everything at one instant of the
database's clock. What a host decides, it decides with the functions of `oddaemon.core.fleet`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from oddaemon.core.fleet.lease import PERMIT_SECONDS, REQUEST_SECONDS_MAX, Lease, LeaseKind, find_first_request
from oddaemon.core.fleet.member import Member, Stage
from oddaemon.core.fleet.placement import place_leases
from oddaemon.core.fleet.share import Caps, compute_share, find_known_number, has_room, may_hold_offices

START = datetime(2026, 3, 2, tzinfo=UTC)
LEASE_SECONDS = 15.0
NETWORK = "192.0.2.1"
CAPS = Caps(max_in_flight=6, max_requests_per_second=6.0)
SPACING_SECONDS = 1.0


@dataclass
class FleetTables:
    """Members and leases."""

    now: datetime = START
    members: dict[int, Member] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)

    def join(self, host: str, offices: dict[str, str]) -> int:
        number = len(self.members) + 1
        expires = self.now + timedelta(seconds=LEASE_SECONDS)
        self.members[number] = Member(
            number, host, NETWORK, Stage.JOINING, self.now, self.now, expires, offices=offices
        )
        for name in offices:
            self.leases.setdefault(name, Lease(LeaseKind.OFFICE, name))
        return number

    def renew(self, number: int, *, knows: int, stage: Stage) -> bool:
        """False: the member has been marked as gone, or its time is over."""
        member = self.members[number]
        if not member.is_alive or member.expires_at <= self.now:
            return False
        self.members[number] = replace(
            member, stage=stage, knows=max(knows, member.knows), renewed_at=self.now,
            expires_at=self.now + timedelta(seconds=LEASE_SECONDS),
        )  # fmt: skip
        return True

    def mark_gone(self) -> None:
        for number, member in self.members.items():
            if member.is_alive and member.expires_at < self.now:
                self.members[number] = replace(member, stage=Stage.GONE, gone_at=self.now)

    def leave(self, number: int) -> None:
        """The end of a member that has given everything back."""
        self.members[number] = replace(self.members[number], stage=Stage.GONE, gone_at=self.now)

    def take(self, number: int, name: str) -> Lease | None:
        """None: another one was faster."""
        lease, holder = self.leases[name], self.members.get(self.leases[name].holder or 0)
        is_free = holder is None or not holder.is_alive
        if not is_free or self.members[number].stage is not Stage.WORKING:
            return None
        fingerprint = self.members[number].offices[name]
        self.leases[name] = replace(lease, holder=number, generation=lease.generation + 1, fingerprint=fingerprint)
        return self.leases[name]

    def give_back(self, number: int, lease: Lease) -> None:
        if self.holds(number, lease):
            self.leases[lease.name] = replace(self.leases[lease.name], holder=None)

    def holds(self, number: int, lease: Lease) -> bool:
        """The fence before each write."""
        stored = self.leases[lease.name]
        return (stored.holder, stored.generation) == (number, lease.generation)

    def permit(self, number: int, lease: Lease, spacing_seconds: float) -> bool:
        """The only way to a request."""
        stored, member = self.leases[lease.name], self.members[number]
        first = find_first_request(replace(stored, open_until=None, not_before=None), spacing_seconds - PERMIT_SECONDS)
        waits = [stored.open_until, stored.not_before, first]
        if not self.holds(number, lease) or any(each is not None and each > self.now for each in waits):
            return False
        if member.stage is not Stage.WORKING or member.expires_at <= self.now:
            return False
        self.leases[lease.name] = replace(
            stored, asked_at=self.now, open_until=self.now + timedelta(seconds=REQUEST_SECONDS_MAX),
            asked_by=number, spacing_seconds=max(spacing_seconds, stored.spacing_seconds),
        )  # fmt: skip
        return True

    def end_request(self, number: int, lease: Lease, not_before: datetime | None) -> None:
        if self.holds(number, lease):
            stored = self.leases[lease.name]
            latest = max((each for each in (not_before, stored.not_before) if each is not None), default=None)
            self.leases[lease.name] = replace(stored, open_until=None, not_before=latest)


@dataclass
class SentRequest:
    """A request as Open Dental sees it."""

    office: str
    started: datetime
    ends: datetime
    """When it ends by itself, whatever becomes of the host that sent it."""
    retry_after: float = 0.0


SLACK = timedelta(microseconds=1)


@dataclass
class TrafficLog:
    """The requests of all hosts as Open Dental sees them, and what must be true of each beside those before it."""

    sent: list[SentRequest] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    """Requests whose end their host has noted. A wait that was asked for in another one is known to no host."""

    def note_answer(self, request: SentRequest) -> None:
        self.answered.add(id(request))

    def record(self, request: SentRequest) -> None:
        before = next((each for each in reversed(self.sent) if each.office == request.office), None)
        if before is not None:
            assert before.ends <= request.started, "two in flight on one key"
            assert request.started - before.started >= timedelta(seconds=SPACING_SECONDS) - SLACK
            if id(before) in self.answered:
                assert request.started >= before.ends + timedelta(seconds=before.retry_after) - SLACK
        self.sent.append(request)
        assert sum(each.ends > request.started for each in self.sent) <= CAPS.max_in_flight
        a_second_ago = request.started - timedelta(seconds=1)
        assert sum(each.started > a_second_ago for each in self.sent) <= CAPS.max_requests_per_second


@dataclass
class FleetHost:
    """A daemon: what it holds in memory, and the steps that it makes. `tables` may be out of its reach."""

    tables: FleetTables
    name: str
    offices: dict[str, str]
    poll_seconds: float = 0.0
    """How long it leaves an office alone after an answer."""
    number: int = 0
    held: dict[str, Lease] = field(default_factory=dict)
    open: dict[str, tuple[Lease, SentRequest]] = field(default_factory=dict)
    permitted: tuple[Lease, datetime] | None = None
    """A permit that has not been used yet."""
    asks_from: dict[str, datetime] = field(default_factory=dict)
    paced_until: datetime = START

    def start(self) -> None:
        """Become a new member; nothing of an earlier one is remembered."""
        self.number = self.tables.join(self.name, self.offices)
        self.held, self.open, self.permitted, self.asks_from = {}, {}, None, {}

    def leave(self) -> None:
        """Drain: give back what is held, and end."""
        for lease in self.held.values():
            self.tables.give_back(self.number, lease)
        self.tables.leave(self.number)

    @property
    def me(self) -> Member:
        return self.tables.members[self.number]

    def compute_share(self) -> Caps:
        members = list(self.tables.members.values())
        return compute_share(CAPS, members, self.tables.leases.values(), self.me, self.tables.now)

    def renew(self) -> None:
        members = self.tables.members.values()
        share = self.compute_share()
        in_flight = len(self.open) + (self.permitted is not None)
        knows = find_known_number(members, self.me, in_flight, share)
        stage = self.me.stage
        if stage is Stage.JOINING and has_room(self.me, members):
            stage = Stage.WORKING
        if not self.tables.renew(self.number, knows=knows, stage=stage):
            self.start()

    def look(self) -> None:
        """Mark the dead, take what is for this host, give back what is not."""
        self.tables.mark_gone()
        if not self.me.is_alive:
            self.start()
            return
        members, leases = list(self.tables.members.values()), list(self.tables.leases.values())
        may_hold = may_hold_offices(CAPS, members, self.me)
        placement = place_leases(self.me, members, leases, self.tables.now, may_hold_offices=may_hold)
        for lease in placement.give_back:
            if lease.name not in self.open and (self.permitted is None or self.permitted[0].name != lease.name):
                self.tables.give_back(self.number, lease)
                self.held.pop(lease.name, None)
        for lease in placement.take:
            if (taken := self.tables.take(self.number, lease.name)) is not None:
                self.held[lease.name] = taken
                self.asks_from[lease.name] = find_first_request(taken, SPACING_SECONDS) or self.tables.now

    def ask_permit(self) -> None:
        share = self.compute_share()
        if self.permitted is not None or len(self.open) >= share.max_in_flight:
            return
        now = self.tables.now
        for name, lease in sorted(self.held.items(), key=lambda item: (self.asks_from[item[0]], item[0])):
            if name not in self.open and self.asks_from[name] <= now and self.paced_until <= now:
                if self.tables.permit(self.number, lease, SPACING_SECONDS):
                    self.permitted = lease, now
                return

    def send(self, seconds: float, retry_after: float) -> SentRequest | None:
        """Send what is permitted, unless the permit is too old; None: nothing was sent."""
        if self.permitted is None:
            return None
        (lease, given), self.permitted = self.permitted, None
        now = self.tables.now
        if now - given > timedelta(seconds=PERMIT_SECONDS):
            self.tables.end_request(self.number, lease, None)
            return None
        self.paced_until = now + timedelta(seconds=1.0 / self.compute_share().max_requests_per_second)
        request = SentRequest(lease.name, now, now + timedelta(seconds=seconds), retry_after)
        self.open[lease.name] = lease, request
        return request

    def receive(self) -> Iterator[SentRequest]:
        """Note the end of each request that has been answered."""
        for name, (lease, request) in list(self.open.items()):
            if request.ends <= self.tables.now:
                del self.open[name]
                wait = timedelta(seconds=request.retry_after)
                self.tables.end_request(self.number, lease, request.ends + wait if request.retry_after else None)
                self.asks_from[name] = request.ends + max(wait, timedelta(seconds=self.poll_seconds))
                yield request
