"""Notices that headquarters answers nobody, and then lets one request at a time find out when it does again.

Hundreds of offices that each back off by themselves are still hundreds of requests at a door that is closed, and all of
them at once when it opens. An office in trouble of its own must never look like that: only silence towards several
offices, without an answer to any in between, counts.
"""

from dataclasses import dataclass, field

from oddaemon.core.failure import Kind

SILENT = frozenset({Kind.CONNECT, Kind.TIMEOUT, Kind.CONNECTION_LOST, Kind.SERVER_ERROR})
"""What comes of headquarters that is down. Any other answer, a refusal included, shows that somebody is there."""
OFFICES_MIN = 3
"""So many different offices must have met silence."""
FORGOTTEN_AFTER_SECONDS = 600.0
"""Silence that lies further back says nothing about now."""
TRIAL_FIRST_SECONDS = 5.0
TRIAL_MAX_SECONDS = 60.0
"""Between two trials, doubling from the first to the latter."""


@dataclass(slots=True)
class Outage:
    """One headquarters as its answers show it. Times are the event loop's, in seconds."""

    since: float | None = None
    """When it went down; None: it is up."""
    _silent_at: dict[str, float] = field(default_factory=dict)
    """The offices that met silence since the last answer, and when."""
    _trials: int = 0
    _next_trial_at: float = 0.0
    _trying: str | None = None
    """The office whose request is the trial in flight."""

    def is_closed(self, now: float) -> bool:
        """Whether nobody's request may leave."""
        return self.since is not None and (self._trying is not None or now < self._next_trial_at)

    def enter(self, office_id: str) -> None:
        """This office's request leaves; while headquarters is down it is the trial."""
        if self.since is not None:
            self._trying = office_id

    def answered(self) -> float | None:
        """Somebody is there. Returns since when headquarters was down; None: it was not."""
        since, self.since, self._trials, self._trying = self.since, None, 0, None
        self._silent_at.clear()
        return since

    def silent(self, office_id: str, now: float) -> bool:
        """A request met silence. Returns whether headquarters counts as down from now on."""
        self._silent_at = {
            office: at for office, at in self._silent_at.items() if now - at < FORGOTTEN_AFTER_SECONDS
        } | {office_id: now}
        if self.since is None and len(self._silent_at) >= OFFICES_MIN:
            self.since = now
            self._next_trial_at = now + TRIAL_FIRST_SECONDS
            return True
        if self._trying == office_id:
            self._trying = None
            self._trials += 1
            self._next_trial_at = now + min(TRIAL_MAX_SECONDS, TRIAL_FIRST_SECONDS * 2.0 ** min(self._trials, 10))
        return False

    def abandoned(self, office_id: str) -> None:
        """A request was cut off and shows nothing; the next one may be the trial."""
        if self._trying == office_id:
            self._trying = None
