"""How many requests a receiver may see within one second, whatever the way of each one takes.

We know when a request leaves and when its response comes, not when it arrives. One that was delayed and the next one,
which was not, arrive closer together than they left. So a request counts from its start until one second after the
moment by which it had certainly arrived. Whatever arrives within one second then counted together when the last of it
left, so it is never more than agreed.

It had arrived when its response came, and earlier than that by what the quickest response to a request of its kind has
taken: that much every one takes. So only what varies costs pace, and where nothing varies, nothing is lost.
"""

from bisect import insort
from collections import defaultdict, deque

WINDOW_SECONDS = 1.0
WAY_SECONDS_MAX = 2.0
"""A request that has no response after this time is being worked on: none is on its way for longer."""
QUICKEST_KEPT = 10
RESPONSES_MIN = 50
"""Of a kind, before the quickest ones say anything."""
SPREADS = 2
"""By how many times the spread of the quickest ones the next one may be quicker."""


class QuickestResponses:
    """The quickest responses to one kind of request."""

    __slots__ = ("_count", "_quickest")

    def __init__(self) -> None:
        self._count = 0
        self._quickest: list[float] = []

    def record(self, seconds: float) -> None:
        """A response came so long after its request was sent."""
        self._count += 1
        if len(self._quickest) < QUICKEST_KEPT or seconds < self._quickest[-1]:
            insort(self._quickest, seconds)
            del self._quickest[QUICKEST_KEPT:]

    @property
    def certain_seconds(self) -> float:
        """What every response takes. The more the quickest ones differ, the quicker may one be that is yet to come."""
        if self._count < RESPONSES_MIN:
            return 0.0
        return max(0.0, self._quickest[0] - SPREADS * (self._quickest[-1] - self._quickest[0]))


class RequestOnItsWay:
    """One request on its way."""

    __slots__ = ("counts", "kind", "sent_at")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.counts = True
        """Whether it may arrive within one second of one that leaves now."""
        self.sent_at: float | None = None
        """None: it still waits for its connection."""


class ArrivalWindow:
    """The requests that may arrive within one second of one that leaves now. All instants are the event loop's.

    Args:
        requests_per_second: What a receiver may see in any second.
    """

    def __init__(self, requests_per_second: float) -> None:
        self._counted = 0
        self._sent: deque[tuple[float, RequestOnItsWay]] = deque()
        self._arrived: deque[tuple[float, RequestOnItsWay]] = deque()
        """Both with the instant, nearly in its order."""
        self._quickest: defaultdict[str, QuickestResponses] = defaultdict(QuickestResponses)
        self.set_cap(requests_per_second)

    def set_cap(self, requests_per_second: float) -> None:
        """Change the cap from now on; a part of a request is none."""
        self._requests_max = max(1, int(requests_per_second + 1e-9))

    def begin(self, kind: str) -> RequestOnItsWay:
        """A request is about to leave.

        Args:
            kind: What is asked: the same takes at least about the same time.
        """
        self._counted += 1
        return RequestOnItsWay(kind)

    def record_sent(self, departure: RequestOnItsWay, now: float) -> None:
        """It leaves now."""
        departure.sent_at = now
        self._sent.append((now, departure))

    def record_answered(self, departure: RequestOnItsWay, now: float) -> None:
        """Its response came, as it was expected."""
        certain_seconds = 0.0
        if departure.sent_at is not None:
            quickest = self._quickest[departure.kind]
            quickest.record(now - departure.sent_at)
            certain_seconds = quickest.certain_seconds
        self.record_arrived(departure, now - certain_seconds)

    def record_arrived(self, departure: RequestOnItsWay, at: float) -> None:
        """It arrived by then, or never will."""
        self._arrived.append((at, departure))

    def find_room(self, now: float) -> float | None:
        """When one more may leave: `now`, or when to look again; None: once another one was sent or has arrived."""
        ends = (
            self._forget(self._arrived, WINDOW_SECONDS, now),
            self._forget(self._sent, WINDOW_SECONDS + WAY_SECONDS_MAX, now),
        )
        if self._counted < self._requests_max:
            return now
        return min((end for end in ends if end is not None), default=None)

    def _forget(self, marks: deque[tuple[float, RequestOnItsWay]], seconds: float, now: float) -> float | None:
        """Count no longer what was marked so long ago. Returns when the next one is; None: there is none."""
        while marks:
            at, departure = marks[0]
            if departure.counts and at + seconds > now:
                return at + seconds
            marks.popleft()
            self._counted -= departure.counts
            departure.counts = False
        return None
