"""The share of the listener that one client may take: the rest is for Prometheus."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one listener; what exceeds them is rejected or closed."""

    target_bytes_max: int = 2048
    """For path and query of a request; the longest valid ones are a tenth of it."""
    head_bytes_max: int = 16_384
    """For all headers; browsers and scrapers send a tenth of it."""
    timeout_seconds: float = 10.0
    """For the client to send all headers, for us to make the response, and for the client to read it.
    Prometheus waits no longer for a scrape either."""
    connections_max: int = 64
    """At one instant. Above it, the connection that has been idle longest is closed. Requests in progress may take all
    but a quarter of them, so that the next request can be read; those for monitoring are counted by themselves."""
    connections_per_client_max: int = 16
    """Of one address or IPv6 /64, of each of: idle connections, requests in progress, those of them for monitoring."""
    monitoring_paths: tuple[str, ...] = ("/metrics", "/-/")
    """Their requests never wait for others: Prometheus and health checks must see a daemon that is busy."""

    @property
    def requests_max(self) -> int:
        """Requests in progress, besides those for monitoring."""
        return max(1, self.connections_max - self.connections_max // 4)
