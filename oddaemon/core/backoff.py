"""How long to wait after a failure. The random number is an argument."""

from oddaemon.core.model import Cadence


def delay_seconds(attempts: int, jitter: float, cadence: Cadence) -> float:
    """Exponential back-off with full jitter over its upper half: never hot, never in step with other offices.

    Args:
        attempts: Failures in a row, the present one included (1 or more).
        jitter: A random number from 0 to 1.
        cadence: The office's base and cap.
    """
    ceiling = min(cadence.backoff_max_seconds, cadence.backoff_base_seconds * 2.0 ** min(attempts - 1, 30))
    return ceiling * (0.5 + 0.5 * jitter)


def retry_after_seconds(asked: float | None, attempts: int, jitter: float, cadence: Cadence) -> float:
    """What a server asked for, within reason: at least our own back-off, at most `retry_after_max_seconds`."""
    own = delay_seconds(attempts, jitter, cadence)
    return own if asked is None else min(max(own, asked), max(own, cadence.retry_after_max_seconds))
