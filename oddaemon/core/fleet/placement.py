"""Which member should hold which lease.

Each member computes this by itself, from the rows that all of them see. The computation says who should hold a lease;
the database's conditional update decides who does, so two members that see different rows at one moment do no harm.

A lease belongs to the host with the highest hash of its own name and the lease's (rendezvous hashing): if a host comes
or goes, only its own leases move.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from oddaemon.core.fleet.lease import Lease, LeaseKind, Role
from oddaemon.core.fleet.member import Member, find_member, is_silent, list_working

GIVEN_BACK_MAX = 0.05
"""The part of a member's leases that it gives back at one look, so that an office's night is not moved all at once."""
GIVEN_BACK_MIN = 10
"""It gives back as many as this, however few it holds: a small fleet is even within seconds."""
DIFFERENCE_SECONDS = 60.0
"""How long a lease waits for a member with the settings of its last holder, before one with other settings takes it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What a member does now."""

    take: tuple[Lease, ...]
    give_back: tuple[Lease, ...]
    """Leases of its own that belong to another member, or that it must not hold."""


def choose_host(lease: Lease, hosts: Iterable[str]) -> str | None:
    """The host to which a lease belongs; None: there is no host."""
    return max(hosts, key=lambda host: (_rank(host, lease), host), default=None)


def _rank(host: str, lease: Lease) -> bytes:
    return blake2b(f"{host}\0{lease.kind}\0{lease.name}".encode(), digest_size=8).digest()


def place_leases(
    me: Member, members: Collection[Member], leases: Iterable[Lease], now: datetime, *, may_hold_offices: bool = True
) -> Placement:
    """Decide which leases a member takes and which it gives back.

    Args:
        me: The member that asks.
        members: All of the fleet, `me` included.
        leases: All of the fleet.
        now: By the database's clock.
        may_hold_offices: Whether this member can have a part of the caps.
    """
    able = [each for each in list_working(members) if may_hold_offices or each.number != me.number]
    # What belongs to a host that is dead and not yet marked as gone would wait for the end of its lease, too.
    working = [each for each in able if each.number == me.number or not is_silent(each, now)]
    by_number = {each.number: each for each in members}
    take, give_back, held = [], [], 0
    for lease in leases:
        is_mine = lease.holder == me.number
        held += is_mine
        hosts = _list_eligible(lease, working, by_number, now)
        is_for_me = me.number in hosts.values() and choose_host(lease, hosts) == me.host
        if is_mine and not is_for_me and (hosts or not _may_hold(lease, me)):
            give_back.append(lease)
        elif is_for_me and not is_mine and _is_free(lease, by_number):
            take.append(lease)
    given_back_max = max(GIVEN_BACK_MIN, int(held * GIVEN_BACK_MAX)) if me in working else held
    return Placement(tuple(take), tuple(give_back[:given_back_max]))


def _is_free(lease: Lease, by_number: Mapping[int, Member]) -> bool:
    holder = None if lease.holder is None else by_number.get(lease.holder)
    return holder is None or not holder.is_alive


def _may_hold(lease: Lease, member: Member) -> bool:
    # A newer version beside this one may have roles that this one does not know.
    wanted = {LeaseKind.OFFICE: member.offices, LeaseKind.SINK: member.sinks, LeaseKind.ROLE: frozenset(Role)}
    return lease.name in wanted[lease.kind]


def _list_eligible(
    lease: Lease, working: Iterable[Member], by_number: Mapping[int, Member], now: datetime
) -> dict[str, int]:
    """The working members that may hold a lease: their numbers, by host.

    An office's settings may differ between hosts while an operator changes them one by one. It stays with the settings
    that it had, and so does its key's pace, as long as a working member has them.
    """
    able = [each for each in working if _may_hold(lease, each)]
    if lease.kind is LeaseKind.OFFICE and lease.fingerprint is not None:
        alike = [each for each in able if each.offices[lease.name] == lease.fingerprint]
        holder = by_number.get(lease.holder) if lease.holder is not None else None
        left_at = None if holder is None else holder.gone_at
        if alike or (left_at is not None and now < left_at + timedelta(seconds=DIFFERENCE_SECONDS)):
            able = alike
    return {each.host: each.number for each in able}


def count_unheld(members: Collection[Member], leases: Iterable[Lease]) -> int:
    """The number of offices that some working member could hold and no living one does.

    `leases` need not have those that living members hold.
    """
    by_number = {each.number: each for each in members}
    able = {name for each in list_working(members) for name in each.offices}
    return sum(lease.kind is LeaseKind.OFFICE and lease.name in able and _is_free(lease, by_number) for lease in leases)


def describe_holder(lease: Lease, members: Collection[Member]) -> str | None:
    """The host that holds a lease; None: no living member does."""
    holder = find_member(members, lease.holder)
    return holder.host if holder is not None and holder.is_alive else None
