"""What a member may use of the caps on requests, which are those of a network and not of a host.

The caps are divided among the members of a network; no counter is shared, because a host that is stopped while it holds
a row would stop the others. A newcomer sends nothing until every other member has made room for it. What a member that
died may still have under way counts until it must have ended.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from oddaemon.core.fleet.lease import PERMIT_SECONDS, Lease
from oddaemon.core.fleet.member import Member, Stage


@dataclass(frozen=True, slots=True)
class Caps:
    """The caps on the requests of one network, as `[api]` sets them."""

    max_in_flight: int
    max_requests_per_second: float


def compute_share(caps: Caps, members: Collection[Member], leases: Iterable[Lease], me: Member, now: datetime) -> Caps:
    """A member's part of the caps; none for one that has been marked as gone.

    The rest of a division goes to the members with the lowest numbers, so a newcomer makes no other part larger. A
    member that died before it had made room for a newcomer may have more under way than its part: the newcomer waits
    for that much.
    """
    if not me.is_alive:
        return Caps(0, caps.max_requests_per_second)
    abandoned = _count_abandoned(members, leases, now)
    sharers = [each for each in members if each.network == me.network and (each.is_alive or abandoned[each.number])]
    parts = _divide(caps.max_in_flight, [each.number for each in sharers])
    excess = sum(
        max(0, abandoned[each.number] - parts[each.number]) for each in sharers if each.knows < me.number != each.number
    )
    just_gone = now - timedelta(seconds=PERMIT_SECONDS + 1.0)
    recent = [
        each.number
        for each in members
        if each.network == me.network
        and each.number not in parts
        and each.gone_at is not None
        and each.gone_at > just_gone
    ]
    pace = _divide_pace(caps.max_requests_per_second, [*parts, *recent])[me.number]
    return Caps(max(0, parts[me.number] - excess), pace)


def _divide_pace(cap: float, numbers: Collection[int]) -> dict[int, float]:
    """Whole requests a second, as each member counts those that may arrive within one; parts of one if they are few."""
    if int(cap) < len(numbers) or len(numbers) == 1:
        return dict.fromkeys(numbers, cap / len(numbers))
    return {number: float(part) for number, part in _divide(int(cap), numbers).items()}


def _divide(total: int, numbers: Collection[int]) -> dict[int, int]:
    """The part of each member."""
    whole, rest = divmod(total, len(numbers))
    return {number: whole + (place < rest) for place, number in enumerate(sorted(numbers))}


def _count_abandoned(members: Iterable[Member], leases: Iterable[Lease], now: datetime) -> Counter[int]:
    """The requests of each member that is gone, as far as they may still be under way."""
    gone = {each.number for each in members if not each.is_alive}
    return Counter(
        each.asked_by
        for each in leases
        if each.asked_by in gone and each.asked_by is not None and each.open_until is not None and each.open_until > now
    )


def may_hold_offices(caps: Caps, members: Iterable[Member], me: Member) -> bool:
    """Whether a member can ever have a request in flight: there may be more members than that cap allows requests."""
    alive = sorted(each.number for each in members if each.network == me.network and each.is_alive)
    return me.number in alive[: caps.max_in_flight]


def has_room(me: Member, members: Iterable[Member]) -> bool:
    """Whether every other member of its network has made room for a newcomer, so that it may begin to work."""
    others = (each for each in members if each.network == me.network and each.is_alive and each.number != me.number)
    return all(each.knows >= me.number or _waits_behind(each, me) for each in others)


def _waits_behind(other: Member, me: Member) -> bool:
    """A later newcomer sends nothing before it has seen that this one knows of it."""
    return other.stage is Stage.JOINING and other.number > me.number


def find_known_number(members: Iterable[Member], me: Member, in_flight: int, share: Caps) -> int:
    """The number that a member writes as `knows` at its next renewal.

    It has made room once no more of its requests are under way than its new share allows.
    """
    newest = max((each.number for each in members if each.network == me.network), default=me.number)
    return newest if in_flight <= share.max_in_flight else me.knows
