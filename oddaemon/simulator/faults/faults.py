"""Faults between a client and an office, as values, and the schedule in which they are planted.

Every fault is documented or was observed in the field. The requests that it hits depend only on the office, the time,
the number of requests and the seed, so a seed can be replayed.
"""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from oddaemon.simulator.api.messages import BrokenConnection, Endpoint
from oddaemon.simulator.model.world_clock import TimePoint

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class EConnectorDown:
    """The office's eConnector is not running: 400. A lasting state rather than an exception."""


@dataclass(frozen=True)
class KeyDisabled:
    """The office has disabled the key: 401."""


@dataclass(frozen=True)
class KeyUnassigned:
    """The key is not assigned to an office yet: 400."""


@dataclass(frozen=True)
class KeyMoved:
    """The key was moved to another office. It works there only after a while and then returns that office's rows.

    Attributes:
        to_office_id: the office whose database answers.
        works_after_seconds: the time from the beginning of the window until the key works again; up to 15 minutes.
    """

    to_office_id: str
    works_after_seconds: float = 900.0


@dataclass(frozen=True)
class PermissionMissing:
    """The key lost the Queries permission: ShortQuery returns 401, other calls work."""


@dataclass(frozen=True)
class OldVersion:
    """The office's Open Dental is too old for the call: 400."""


@dataclass(frozen=True)
class TooManyRequests:
    """Headquarters rejects with 429, even with an empty queue. `retry_after` is the header; None omits it."""

    retry_after: str | None = "5"


@dataclass(frozen=True)
class GatewayError:
    """Headquarters or the gateway in front of it fails with an HTML page."""

    status: int = 502


@dataclass(frozen=True)
class Latency:
    """The office takes longer than usual. After the processing limit headquarters gives up with 504."""

    seconds: float


@dataclass(frozen=True)
class TruncatedBody:
    """A well-formed HTTP response whose JSON ends too early. `kept` is the remaining share, 0 to 1."""

    kept: float = 0.5


@dataclass(frozen=True)
class OtherBody:
    """This text replaces the response: garbage, HTML, `null`, nothing, or an unusual refusal."""

    text: str
    content_type: str = "application/json; charset=utf-8"
    status: int = 200


@dataclass(frozen=True)
class Altered:
    """A pure function changes the rows of a ShortQuery. `name` describes it in one word."""

    name: str
    alter: Callable[[Rows], Rows] = field(repr=False)


@dataclass(frozen=True)
class LimitIgnored:
    """The office ignores the final LIMIT of a query and the page cap, and returns all rows from the offset on."""


@dataclass(frozen=True)
class PartialAging:
    """Charges are posted at the office while the request is under way, which ages a few families under the lock."""

    families: int = 5
    seconds: float = 3.0


@dataclass(frozen=True)
class QueryUserRestricted:
    """The office runs queries as a database user that may read only these tables: 400 for any other."""

    tables: tuple[str, ...] = ("patient",)


@dataclass(frozen=True)
class Respelled:
    """The rows of a success come in another of the `SPELLINGS`, by its name; their values are the same."""

    spelling: str


@dataclass(frozen=True)
class StalePreferences:
    """`GET /preferences` is answered from a cache or a replica: the state of aging is as it was before."""

    seconds: float


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
    | PartialAging
    | QueryUserRestricted
    | Respelled
    | StalePreferences
)


@dataclass(frozen=True)
class FaultWindow:
    """From `begins` until just before `ends`, each in seconds since opening or as an aware instant."""

    begins: float | datetime = 0.0
    ends: float | datetime = math.inf

    def covers(self, now: TimePoint) -> bool:
        """Whether the moment is inside the window."""
        return _get_seconds_past(self.begins, now) >= 0 > _get_seconds_past(self.ends, now)

    def get_age_seconds(self, now: TimePoint) -> float:
        """The time since the window began."""
        return _get_seconds_past(self.begins, now)


@dataclass(frozen=True)
class ScheduledFault:
    """A fault, the requests and times that it applies to, and its frequency.

    Attributes:
        office_ids: the affected offices; empty means all, as when headquarters itself is down.
        window: when.
        endpoints: the affected calls; empty means all.
        skip: the number of matching requests that pass first.
        hits_max: the number of requests that it hits after that; None for all.
        chance: the share of these that it hits, 0 to 1, drawn from the seed.
    """

    fault: Fault
    office_ids: frozenset[str] = frozenset()
    window: FaultWindow = FaultWindow()
    endpoints: frozenset[Endpoint] = frozenset()
    skip: int = 0
    hits_max: int | None = None
    chance: float = 1.0

    def describe(self) -> str:
        """The fault as a sentence."""
        parts = [str(self.fault)]
        parts.append("for " + (", ".join(sorted(self.office_ids)) or "every office"))
        if self.endpoints:
            parts.append("on " + ", ".join(sorted(endpoint.value for endpoint in self.endpoints)))
        if self.window != FaultWindow():
            parts.append(f"from {self.window.begins} until {self.window.ends}")
        if self.skip:
            parts.append(f"after {self.skip} requests")
        if self.hits_max is not None:
            parts.append(f"at most {self.hits_max} times")
        if self.chance < 1:
            parts.append(f"with chance {self.chance:g}")
        return " ".join(parts)


class FaultSchedule:
    """The faults planted in a world, in the order in which they were planted."""

    def __init__(self, seed: int = 0, faults: Iterable[ScheduledFault] = ()) -> None:
        self._seed = seed
        self._faults: list[ScheduledFault] = []
        self._match_counts: list[int] = []
        for each in faults:
            self.schedule(each)

    def schedule(self, fault: ScheduledFault) -> None:
        """Add a fault; it may begin in the past."""
        self._faults.append(fault)
        self._match_counts.append(0)

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()
        self._match_counts.clear()

    def list_for_office(self, office_id: str) -> list[ScheduledFault]:
        """The faults planted for an office, including those that have not begun."""
        return [each for each in self._faults if not each.office_ids or office_id in each.office_ids]

    def match_request(self, now: TimePoint, office_id: str, endpoint: Endpoint) -> list[Fault]:
        """The faults that hit this request. Counts it for every fault that matches it."""
        active_faults: list[Fault] = []
        for index, each in enumerate(self._faults):
            if not self._matches(each, now, office_id, endpoint):
                continue
            nth = self._match_counts[index]
            self._match_counts[index] += 1
            if nth < each.skip or (each.hits_max is not None and nth >= each.skip + each.hits_max):
                continue
            if each.chance < 1 and random.Random(f"{self._seed}/{index}/{nth}").random() >= each.chance:
                continue
            active_faults.append(_get_effect(each, now))
        return active_faults

    @staticmethod
    def _matches(fault: ScheduledFault, now: TimePoint, office_id: str, endpoint: Endpoint) -> bool:
        return (
            (not fault.office_ids or office_id in fault.office_ids)
            and (not fault.endpoints or endpoint in fault.endpoints)
            and fault.window.covers(now)
        )


def _get_effect(scheduled: ScheduledFault, now: TimePoint) -> Fault:
    """The fault; a moved key that does not work yet looks like one that is not assigned."""
    match scheduled.fault:
        case KeyMoved(_, works_after_seconds) if scheduled.window.get_age_seconds(now) < works_after_seconds:
            return KeyUnassigned()
    return scheduled.fault


def _get_seconds_past(edge: float | datetime, now: TimePoint) -> float:
    if isinstance(edge, datetime):
        return (now.instant - edge).total_seconds()
    return now.seconds - edge
