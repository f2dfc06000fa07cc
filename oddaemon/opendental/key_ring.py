"""The customer keys of one office: the configured key and, for a while after a change, the previous one.

Open Dental takes up to fifteen minutes to activate a new key and may revoke the old one at any time. Until the change
settles, whichever of the two is accepted is used, so the office is not blocked. One session uses one key only, so its
requests never mix two keys.
"""

from dataclasses import dataclass

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.secret import Secret

KEY_REJECTED_KINDS = frozenset(
    {FailureKind.KEY_UNASSIGNED, FailureKind.KEY_REJECTED, FailureKind.KEY_NEVER_ACCEPTED, FailureKind.UNKNOWN_401}
)
"""Failures of a key that is not active yet, or not any more."""
KEY_RETRY_SECONDS = 60.0
"""Between two attempts with the new key while the previous one still works."""


@dataclass(slots=True)
class KeyRing:
    """Decides which keys to try. Times are the event loop's, in seconds."""

    current: Secret
    """The configured key."""
    _previous: Secret | None = None
    _previous_until: float = 0.0
    _current_not_before: float = 0.0

    def with_key(self, key: Secret, until: float) -> "KeyRing":
        """The ring with this configured key; if it is another one, the key that worked last stays until `until`."""
        if key == self.current:
            return self
        previous = self.current if self._previous is None else self._previous
        return KeyRing(key) if key == previous else KeyRing(key, previous, until)

    def is_rotating(self, now: float) -> bool:
        """Whether the change may explain a rejected key."""
        return self._previous is not None and now < self._previous_until

    @property
    def is_unproven(self) -> bool:
        """Whether the configured key was never accepted, although another key was."""
        return self._previous is not None

    def get_seconds_left(self, now: float) -> float:
        """How long the previous key stays available."""
        return max(0.0, self._previous_until - now) if self._previous is not None else 0.0

    def list_candidates(self, now: float) -> tuple[Secret, ...]:
        """The keys to try, in this order."""
        if self._previous is None or not self.is_rotating(now):
            return (self.current,)
        if now < self._current_not_before:
            return (self._previous,)
        return (self.current, self._previous)

    def record_accepted(self, key: Secret) -> bool:
        """The key was accepted. Returns whether that completes a change."""
        is_completed = key == self.current and self._previous is not None
        if is_completed:
            self._previous = None
        return is_completed

    def record_rejected(self, key: Secret, now: float) -> None:
        """The key was rejected."""
        if key == self.current:
            self._current_not_before = now + KEY_RETRY_SECONDS
