"""Detects that the API's host cannot be used, and then lets one request at a time test whether it can be again.

Hundreds of offices that each back off on their own still send hundreds of requests to a server that is down, and all at
once when it recovers. A single failing office must not open the breaker: several offices must fail, with no response
to any office in between.

Offices that wait for the host take turns: while it is down, one after another tests it; when it answers again, each of
them gets its turn within `RETURN_SECONDS`, whatever it waited for on its own account. Only the next one in order is
woken, and it wakes the one after it: ten thousand that all wake at each news would stop the event loop for seconds.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from math import inf

import anyio

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import REFUSED_BY_US

OFFICES_MIN = 3
"""How many different offices must have failed."""
FAILURE_WINDOW_SECONDS = 600.0
"""Older failures do not count."""
RETRY_FIRST_SECONDS = 5.0
RETRY_MAX_SECONDS = 20.0
"""Between two test requests, doubling from the first to the maximum."""
TEST_SECONDS_MAX = 20.0
"""A test request that takes longer no longer holds up the next one: it may hang until its time-out."""
REFUSED_SECONDS = 300.0
"""How long an office that was refused waits at most, if its turn does not come before."""
RETURN_SECONDS = 15.0
"""Over which the offices return. With the time until the next test it is well below a minute."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Why the host cannot be used."""

    since: float
    cause: Failure
    """Of the last request that failed."""

    @property
    def is_ours(self) -> bool:
        """Whether the host may well be up: this machine refuses its certificate, or does not find its address."""
        return self.cause.kind in REFUSED_BY_US

    def explain(self) -> Failure:
        """The failure of an office that may not ask because of it. It need not ask before its turn comes."""
        if not self.is_ours:
            return Failure(FailureKind.HEADQUARTERS_DOWN)
        return replace(self.cause, retry_after_seconds=REFUSED_SECONDS)


@dataclass(slots=True)
class _Waiter:
    """An office that waits for its turn."""

    place: float
    """Its own place among all offices, from 0 to 1."""
    changed: anyio.Event = field(default_factory=anyio.Event)
    """Set when its turn may have changed."""


@dataclass(slots=True)
class CircuitBreaker:
    """The state of one API host. Times are the event loop's, in seconds."""

    outage: Outage | None = None
    """None: it is up."""
    _failed_at: dict[str, float] = field(default_factory=dict)
    """The offices that failed since the last response, and when."""
    _failed_retries: int = 0
    _next_retry_at: float = 0.0
    _testing_office: str | None = None
    """The office that sends the test request."""
    _testing_until: float = 0.0
    _waiting: dict[str, _Waiter] = field(default_factory=dict)
    """The offices that wait for their turn, in the order in which they test."""
    _returning: deque[str] = field(default_factory=deque)
    """Those that waited when the host answered again and were not woken yet, in the order in which they return."""
    _stalled_at: dict[str, float] = field(default_factory=dict)
    """When each office failed or was refused, unless it has asked since."""
    _recovered_at: float = -inf

    def refuse(self, office_id: str, now: float) -> Failure | None:
        """Why the office may send no request; None: it may."""
        is_testing = self._testing_office is not None and now < self._testing_until
        if self.outage is None or self._testing_office == office_id or (now >= self._next_retry_at and not is_testing):
            return None
        self._stalled_at[office_id] = now
        return self.outage.explain()

    def record_start(self, office_id: str, now: float) -> None:
        """A request is sent; while the host is down it is the test request."""
        self._stalled_at.pop(office_id, None)
        if self.outage is not None:
            self._testing_office, self._testing_until = office_id, now + TEST_SECONDS_MAX

    def record_response(self, now: float) -> None:
        """The host responded."""
        self._testing_office, self._failed_retries = None, 0
        self._failed_at.clear()
        if self.outage is not None:
            self.outage, self._recovered_at = None, now
            self._returning = deque(sorted(self._waiting, key=lambda office_id: self._waiting[office_id].place))
            self._wake_next()

    def record_failure(self, office_id: str, now: float, failure: Failure) -> None:
        """A request failed in one of the ways of an outage."""
        self._stalled_at[office_id] = now
        self._failed_at = {
            office: at for office, at in self._failed_at.items() if now - at < FAILURE_WINDOW_SECONDS
        } | {office_id: now}
        if self.outage is None and len(self._failed_at) >= OFFICES_MIN:
            self.outage = Outage(now, failure)
            self._next_retry_at = now + RETRY_FIRST_SECONDS
        elif self.outage is not None and self._testing_office == office_id:
            self.outage = Outage(self.outage.since, failure)
            self._testing_office = None
            self._failed_retries += 1
            self._next_retry_at = now + min(
                RETRY_MAX_SECONDS, RETRY_FIRST_SECONDS * 2.0 ** min(self._failed_retries, 10)
            )
        self._wake_next()

    def record_cancelled(self, office_id: str) -> None:
        """A request was cancelled, or this machine could not send it: it shows nothing. The next one may test."""
        if self._testing_office == office_id:
            self._testing_office = None
            self._wake_next()

    async def wait_for_turn(self, office_id: str, place: float) -> None:
        """Wait until the office may ask although it failed: to test the host for all, or because the host is up again.

        Args:
            office_id: The office.
            place: Its own place among all offices, from 0 to 1.
        """
        failed_at = self._stalled_at.get(office_id, anyio.current_time())
        self._waiting[office_id] = waiter = _Waiter(place)
        try:
            while (turn_at := self._find_turn(office_id, failed_at)) > anyio.current_time():
                waiter.changed = anyio.Event()
                with anyio.move_on_after(turn_at - anyio.current_time()):
                    await waiter.changed.wait()
            self.record_start(office_id, anyio.current_time())
        finally:
            del self._waiting[office_id]
            self._wake_next()

    def _find_turn(self, office_id: str, failed_at: float) -> float:
        """When the office, which failed at `failed_at`, has its turn as things stand."""
        if self.outage is None:
            return (
                self._recovered_at + RETURN_SECONDS * self._waiting[office_id].place
                if failed_at <= self._recovered_at
                else inf
            )
        if next(iter(self._waiting)) != office_id:
            return inf
        return self._next_retry_at if self._testing_office is None else max(self._next_retry_at, self._testing_until)

    def _wake_next(self) -> None:
        """Wake the office whose turn is the next. It computes when that is, and wakes the one after it as it leaves."""
        if self.outage is not None:
            following = next(iter(self._waiting.values()), None)
        else:
            following = None
            while self._returning and following is None:
                following = self._waiting.get(self._returning.popleft())
        if following is not None:
            following.changed.set()
