"""Detects that headquarters is down, and then lets one request at a time test whether it is up again.

Hundreds of offices that each back off on their own still send hundreds of requests to a server that is down, and all at
once when it recovers. A single failing office must not open the breaker: several offices must fail, with no response
to any office in between.
"""

from dataclasses import dataclass, field

from oddaemon.core.failures.failure import FailureKind

OUTAGE_KINDS = frozenset(
    {FailureKind.CONNECT, FailureKind.TIMEOUT, FailureKind.CONNECTION_LOST, FailureKind.SERVER_ERROR}
)
"""Failures of headquarters that is down. Any other response, a rejection included, shows that it is up."""
OFFICES_MIN = 3
"""How many different offices must have failed."""
FAILURE_WINDOW_SECONDS = 600.0
"""Older failures do not count."""
RETRY_FIRST_SECONDS = 5.0
RETRY_MAX_SECONDS = 60.0
"""Between two test requests, doubling from the first to the maximum."""


@dataclass(slots=True)
class CircuitBreaker:
    """The state of one headquarters. Times are the event loop's, in seconds."""

    down_since: float | None = None
    """When it went down. None: it is up."""
    _failed_at: dict[str, float] = field(default_factory=dict)
    """The offices that failed since the last response, and when."""
    _failed_retries: int = 0
    _next_retry_at: float = 0.0
    _retrying_office: str | None = None
    """The office whose test request is in flight."""

    def is_open(self, now: float) -> bool:
        """Whether no request may be sent."""
        return self.down_since is not None and (self._retrying_office is not None or now < self._next_retry_at)

    def record_start(self, office_id: str) -> None:
        """A request is sent; while headquarters is down it is the test request."""
        if self.down_since is not None:
            self._retrying_office = office_id

    def record_response(self) -> float | None:
        """Headquarters responded. Returns since when it was down; None if it was up."""
        since, self.down_since, self._failed_retries, self._retrying_office = self.down_since, None, 0, None
        self._failed_at.clear()
        return since

    def record_failure(self, office_id: str, now: float) -> bool:
        """A request failed. Returns whether headquarters counts as down from now on."""
        self._failed_at = {
            office: at for office, at in self._failed_at.items() if now - at < FAILURE_WINDOW_SECONDS
        } | {office_id: now}
        if self.down_since is None and len(self._failed_at) >= OFFICES_MIN:
            self.down_since = now
            self._next_retry_at = now + RETRY_FIRST_SECONDS
            return True
        if self._retrying_office == office_id:
            self._retrying_office = None
            self._failed_retries += 1
            self._next_retry_at = now + min(
                RETRY_MAX_SECONDS, RETRY_FIRST_SECONDS * 2.0 ** min(self._failed_retries, 10)
            )
        return False

    def record_cancelled(self, office_id: str) -> None:
        """A request was cancelled and shows nothing; the next one may be the test request."""
        if self._retrying_office == office_id:
            self._retrying_office = None
