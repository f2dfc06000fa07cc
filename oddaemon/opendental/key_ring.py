"""The customer keys of one office: one, and for a while after a change the former one beside it.

Open Dental needs up to fifteen minutes to put a key in force, and takes the former one away when it likes. Meanwhile
whichever of the two is accepted asks, and nobody is blocked. One session keeps to one key, so that what belongs
together is never read through two.
"""

from dataclasses import dataclass, field

from oddaemon.core.failures.failure import FailureKind

KEY_REJECTED_KINDS = frozenset(
    {FailureKind.KEY_UNASSIGNED, FailureKind.KEY_REJECTED, FailureKind.KEY_NEVER_ACCEPTED, FailureKind.UNKNOWN_401}
)
"""What a key meets that is not in force yet, or not any more."""
KEY_RETRY_SECONDS = 60.0
"""Between two attempts with the new key while the former one still works."""


@dataclass(slots=True)
class KeyRing:
    """Which keys to try; times are those of the event loop."""

    current: str = field(repr=False)
    """The key that the configuration names."""
    _previous: str | None = field(default=None, repr=False)
    _previous_until: float = 0.0
    _current_not_before: float = 0.0

    def with_key(self, key: str, until: float) -> "KeyRing":
        """The ring after the configuration named another key; the one that worked last is kept beside it."""
        previous = self.current if self._previous is None else self._previous
        return KeyRing(key) if key == previous else KeyRing(key, previous, until)

    def is_rotating(self, now: float) -> bool:
        """Whether a refusal may be nothing but the change."""
        return self._previous is not None and now < self._previous_until

    @property
    def is_unproven(self) -> bool:
        """Whether the key that the configuration names now was never let in, while another one was."""
        return self._previous is not None

    def get_seconds_left(self, now: float) -> float:
        """For how long the former key stays beside the new one."""
        return max(0.0, self._previous_until - now) if self._previous is not None else 0.0

    def list_candidates(self, now: float) -> tuple[str, ...]:
        """The keys to try, in this order."""
        if self._previous is None or not self.is_rotating(now):
            return (self.current,)
        if now < self._current_not_before:
            return (self._previous,)
        return (self.current, self._previous)

    def record_accepted(self, key: str) -> bool:
        """The key was let in. Returns whether that ended a change."""
        is_completed = key == self.current and self._previous is not None
        if is_completed:
            self._previous = None
        return is_completed

    def record_rejected(self, key: str, now: float) -> None:
        """The key was not let in."""
        if key == self.current:
            self._current_not_before = now + KEY_RETRY_SECONDS
