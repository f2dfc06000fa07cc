"""The customer keys of one office: one, and for a while after a change the former one beside it.

Open Dental needs up to fifteen minutes to put a key in force, and takes the former one away when it likes. Meanwhile
whichever of the two is accepted asks, and nobody is blocked. One session keeps to one key, so that what belongs
together is never read through two.
"""

from dataclasses import dataclass, field

from oddaemon.core.failure import Kind

REFUSES_THE_KEY = frozenset({Kind.KEY_UNASSIGNED, Kind.KEY_REJECTED, Kind.KEY_NEVER_ACCEPTED, Kind.UNKNOWN_401})
"""What a key meets that is not in force yet, or not any more."""
TRY_AGAIN_SECONDS = 60.0
"""Between two attempts with the new key while the former one still works."""


@dataclass(slots=True)
class KeyRing:
    """Which keys to try; times are those of the event loop."""

    current: str = field(repr=False)
    """The key that the configuration names."""
    _former: str | None = field(default=None, repr=False)
    _former_until: float = 0.0
    _current_from: float = 0.0

    def changed(self, key: str, until: float) -> "KeyRing":
        """The ring after the configuration named another key; the one that worked last is kept beside it."""
        former = self.current if self._former is None else self._former
        return KeyRing(key) if key == former else KeyRing(key, former, until)

    def is_changing(self, now: float) -> bool:
        """Whether a refusal may be nothing but the change."""
        return self._former is not None and now < self._former_until

    @property
    def is_unproven(self) -> bool:
        """Whether the key that the configuration names now was never let in, while another one was."""
        return self._former is not None

    def seconds_left(self, now: float) -> float:
        """For how long the former key stays beside the new one."""
        return max(0.0, self._former_until - now) if self._former is not None else 0.0

    def candidates(self, now: float) -> tuple[str, ...]:
        """The keys to try, in this order."""
        if self._former is None or not self.is_changing(now):
            return (self.current,)
        if now < self._current_from:
            return (self._former,)
        return (self.current, self._former)

    def accepted(self, key: str) -> bool:
        """The key was let in. Returns whether that ended a change."""
        settles = key == self.current and self._former is not None
        if settles:
            self._former = None
        return settles

    def refused(self, key: str, now: float) -> None:
        """The key was not let in."""
        if key == self.current:
            self._current_from = now + TRY_AGAIN_SECONDS
