"""How much of the listener one client may take: the rest is for Prometheus."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What is refused or cut, each for every listener of its own."""

    target_bytes_max: int = 2048
    """Of a request's path and query; the longest that means something here is a tenth of it."""
    head_bytes_max: int = 16_384
    """Of the whole head; what a browser or a scraper sends is a tenth of it."""
    timeout_seconds: float = 10.0
    """For a whole head, from the connection or the last answer on; for the making of an answer; for taking it.
    Prometheus waits no longer for a scrape either."""
    connections_max: int = 64
    """At one instant. Past it the one that has kept the listener waiting longest makes room."""
