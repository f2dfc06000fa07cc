"""How long to wait after a failure. The random number is an argument."""

from typing import Protocol


class Backoff(Protocol):
    """How long to wait at least and at most, in seconds."""

    @property
    def backoff_base_seconds(self) -> float:
        """After the first failure."""

    @property
    def backoff_max_seconds(self) -> float:
        """However many there were."""

    @property
    def retry_after_max_seconds(self) -> float:
        """However long a server asks for."""


def compute_backoff_seconds(attempts: int, jitter: float, backoff: Backoff) -> float:
    """Exponential back-off with full jitter over its upper half: never hot, never in step with other offices.

    Args:
        attempts: Failures in a row, the present one included (1 or more).
        jitter: A random number from 0 to 1.
        backoff: The base and the cap, of an office or of a sink.
    """
    ceiling = min(backoff.backoff_max_seconds, backoff.backoff_base_seconds * 2.0 ** min(attempts - 1, 30))
    return ceiling * (0.5 + 0.5 * jitter)


def compute_retry_seconds(requested: float | None, attempts: int, jitter: float, backoff: Backoff) -> float:
    """What a server asked for, within reason: at least our own back-off, at most `retry_after_max_seconds`."""
    own = compute_backoff_seconds(attempts, jitter, backoff)
    return own if requested is None else min(max(own, requested), max(own, backoff.retry_after_max_seconds))
