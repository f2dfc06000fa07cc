"""Notices that headquarters answers nobody, and then lets one request at a time find out when it does again.

Hundreds of offices that each back off by themselves are still hundreds of requests at a door that is closed, and all of
them at once when it opens. An office in trouble of its own must never look like that: only silence towards several
offices, without an answer to any in between, counts.
"""

from dataclasses import dataclass, field

from oddaemon.core.failures.failure import FailureKind

OUTAGE_KINDS = frozenset(
    {FailureKind.CONNECT, FailureKind.TIMEOUT, FailureKind.CONNECTION_LOST, FailureKind.SERVER_ERROR}
)
"""What comes of headquarters that is down. Any other answer, a refusal included, shows that somebody is there."""
OFFICES_MIN = 3
"""So many different offices must have met silence."""
FAILURE_WINDOW_SECONDS = 600.0
"""Silence that lies further back says nothing about now."""
RETRY_FIRST_SECONDS = 5.0
RETRY_MAX_SECONDS = 60.0
"""Between two trials, doubling from the first to the latter."""


@dataclass(slots=True)
class CircuitBreaker:
    """One headquarters as its answers show it. Times are the event loop's, in seconds."""

    down_since: float | None = None
    """When it went down; None: it is up."""
    _failed_at: dict[str, float] = field(default_factory=dict)
    """The offices that met silence since the last answer, and when."""
    _failed_retries: int = 0
    _next_retry_at: float = 0.0
    _retrying_office: str | None = None
    """The office whose request is the trial in flight."""

    def is_open(self, now: float) -> bool:
        """Whether nobody's request may leave."""
        return self.down_since is not None and (self._retrying_office is not None or now < self._next_retry_at)

    def record_start(self, office_id: str) -> None:
        """This office's request leaves; while headquarters is down it is the trial."""
        if self.down_since is not None:
            self._retrying_office = office_id

    def record_response(self) -> float | None:
        """Somebody is there. Returns since when headquarters was down; None: it was not."""
        since, self.down_since, self._failed_retries, self._retrying_office = self.down_since, None, 0, None
        self._failed_at.clear()
        return since

    def record_failure(self, office_id: str, now: float) -> bool:
        """A request met silence. Returns whether headquarters counts as down from now on."""
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
        """A request was cut off and shows nothing; the next one may be the trial."""
        if self._retrying_office == office_id:
            self._retrying_office = None
