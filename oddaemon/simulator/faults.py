"""What can go wrong between a client and an office, as values, and the board on which troubles are planted.

Every fault is something that was documented or observed in the field. Which request it hits follows from the office,
the time, the count of requests and the seed, never from anything else, so that one seed is one story.
"""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from oddaemon.simulator.api import Cut, Kind

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class EConnectorDown:
    """The office's eConnector is not running: 400, a standing state rather than an exception."""


@dataclass(frozen=True)
class KeyDisabled:
    """The office has disabled the key: 401."""


@dataclass(frozen=True)
class KeyUnassigned:
    """The key belongs to no office yet: 400."""


@dataclass(frozen=True)
class KeyMoved:
    """The key was moved to another office; it works there only after a while and then answers with its numbers.

    Attributes:
        to_office_id: whose database answers.
        works_after_seconds: how long after the fault's window began the key works again; up to 15 minutes.
    """

    to_office_id: str
    works_after_seconds: float = 900.0


@dataclass(frozen=True)
class PermissionMissing:
    """The key lost the Queries permission: ShortQuery answers 401, the rest works."""


@dataclass(frozen=True)
class OldVersion:
    """The office's Open Dental is too old for the call: 400."""


@dataclass(frozen=True)
class TooManyRequests:
    """Refused with 429, whatever the queue. `retry_after` is the header as sent; None leaves it out."""

    retry_after: str | None = "5"


@dataclass(frozen=True)
class GatewayError:
    """Headquarters or the gateway in front of it fails with a page of HTML."""

    status: int = 502


@dataclass(frozen=True)
class Latency:
    """The office takes longer than usual; beyond the processing limit headquarters gives up with 504."""

    seconds: float


@dataclass(frozen=True)
class BrokenConnection:
    """The connection fails, before the head (`after_bytes` None) or so many bytes into the body."""

    cut: Cut
    after_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.after_bytes is not None and self.cut in {Cut.NO_CONNECTION, Cut.REFUSED}:
            raise ValueError(f"A connection that was never made cannot break after {self.after_bytes} bytes.")


@dataclass(frozen=True)
class TruncatedBody:
    """A well-formed HTTP answer whose JSON ends too early. `kept` is the share that is left, 0 to 1."""

    kept: float = 0.5


@dataclass(frozen=True)
class OtherBody:
    """This text instead of the answer: garbage, HTML, `null`, nothing, or a refusal in words of its own."""

    text: str
    content_type: str = "application/json; charset=utf-8"
    status: int = 200


@dataclass(frozen=True)
class Altered:
    """The rows of a ShortQuery changed by a function that must be pure. `name` says in a word what it does."""

    name: str
    alter: Callable[[Rows], Rows] = field(repr=False)


@dataclass(frozen=True)
class LimitIgnored:
    """The LIMIT at the end of a query is not obeyed, nor any cap on the page: everything from there on comes."""


Fault = (
    EConnectorDown
    | KeyDisabled
    | KeyUnassigned
    | KeyMoved
    | PermissionMissing
    | OldVersion
    | TooManyRequests
    | GatewayError
    | Latency
    | BrokenConnection
    | TruncatedBody
    | OtherBody
    | Altered
    | LimitIgnored
)


@dataclass(frozen=True)
class Moment:
    """Now, told twice: seconds since headquarters opened, and the world's instant (aware UTC)."""

    seconds: float
    instant: datetime


@dataclass(frozen=True)
class Window:
    """From `begins` until just before `ends`, each in seconds since opening or as an aware instant."""

    begins: float | datetime = 0.0
    ends: float | datetime = math.inf

    def covers(self, moment: Moment) -> bool:
        """Whether the moment lies inside."""
        return _seconds_past(self.begins, moment) >= 0 > _seconds_past(self.ends, moment)

    def age_seconds(self, moment: Moment) -> float:
        """How long ago the window began."""
        return _seconds_past(self.begins, moment)


@dataclass(frozen=True)
class Planted:
    """A fault and whom, when and how often it hits.

    Attributes:
        office_ids: the offices concerned; none means all, as when headquarters itself is down.
        window: when.
        kinds: which calls; none means all.
        skip: how many matching requests are let through first.
        hits_max: how many are then hit; None for all.
        chance: the share of those that are hit, 0 to 1, drawn from the seed.
    """

    fault: Fault
    office_ids: frozenset[str] = frozenset()
    window: Window = Window()
    kinds: frozenset[Kind] = frozenset()
    skip: int = 0
    hits_max: int | None = None
    chance: float = 1.0

    def describe(self) -> str:
        """The trouble in words, for a person."""
        words = [str(self.fault)]
        words.append("for " + (", ".join(sorted(self.office_ids)) or "every office"))
        if self.kinds:
            words.append("on " + ", ".join(sorted(kind.value for kind in self.kinds)))
        if self.window != Window():
            words.append(f"from {self.window.begins} until {self.window.ends}")
        if self.skip:
            words.append(f"after {self.skip} requests")
        if self.hits_max is not None:
            words.append(f"at most {self.hits_max} times")
        if self.chance < 1:
            words.append(f"with chance {self.chance:g}")
        return " ".join(words)


@dataclass(frozen=True)
class Struck:
    """A fault that hits a request, and for how long it has been standing."""

    fault: Fault
    age_seconds: float


class FaultBoard:
    """The troubles planted in a world, in the order in which they were planted."""

    def __init__(self, seed: int = 0, planted: Iterable[Planted] = ()) -> None:
        self._seed = seed
        self._planted: list[Planted] = []
        self._matched: list[int] = []
        for each in planted:
            self.plant(each)

    def plant(self, planted: Planted) -> None:
        """Add a trouble; it may begin in the past."""
        self._planted.append(planted)
        self._matched.append(0)

    def clear(self) -> None:
        """Take all troubles away."""
        self._planted.clear()
        self._matched.clear()

    def for_office(self, office_id: str) -> list[Planted]:
        """What is planted for an office, begun or not."""
        return [each for each in self._planted if not each.office_ids or office_id in each.office_ids]

    def strike(self, moment: Moment, office_id: str, kind: Kind) -> list[Struck]:
        """The faults that hit this request; counts it where a trouble counts requests."""
        struck = []
        for index, each in enumerate(self._planted):
            if not self._concerns(each, moment, office_id, kind):
                continue
            nth = self._matched[index]
            self._matched[index] += 1
            if nth < each.skip or (each.hits_max is not None and nth >= each.skip + each.hits_max):
                continue
            if each.chance < 1 and random.Random(f"{self._seed}/{index}/{nth}").random() >= each.chance:
                continue
            struck.append(Struck(each.fault, each.window.age_seconds(moment)))
        return struck

    @staticmethod
    def _concerns(planted: Planted, moment: Moment, office_id: str, kind: Kind) -> bool:
        return (
            (not planted.office_ids or office_id in planted.office_ids)
            and (not planted.kinds or kind in planted.kinds)
            and planted.window.covers(moment)
        )


def _seconds_past(edge: float | datetime, moment: Moment) -> float:
    if isinstance(edge, datetime):
        return (moment.instant - edge).total_seconds()
    return moment.seconds - edge
