"""Bounds the connections that have not authenticated yet, so that silent ones cannot keep an office out.

An authenticated connection is expected and does not count. Of the others, the one that has waited longest makes room: a
client that knows its password needs a second, and one that says nothing has had its time.
"""

from collections import Counter
from typing import Protocol

from oddaemon.core.client_network import find_client_network

UNAUTHENTICATED_MAX = 32
UNAUTHENTICATED_PER_CLIENT_MAX = 4
"""Of one address, or of one IPv6 network."""


class Abortable(Protocol):
    """A connection."""

    def abort(self) -> None:
        """Close it at once."""
        ...


class UnauthenticatedConnections:
    """The connections that have not authenticated yet, in the order in which they came."""

    def __init__(self) -> None:
        self._clients: dict[Abortable, str] = {}

    def add(self, connection: Abortable, host: str) -> None:
        """Count a new connection, and close the longest-waiting one of its client, or of all, if there are too many."""
        client = find_client_network(host)
        self._clients[connection] = client
        if Counter(self._clients.values())[client] > UNAUTHENTICATED_PER_CLIENT_MAX:
            self._abort(next(each for each, other in self._clients.items() if other == client))
        elif len(self._clients) > UNAUTHENTICATED_MAX:
            self._abort(next(iter(self._clients)))

    def discard(self, connection: Abortable) -> None:
        """Forget a connection: it has authenticated or is closed."""
        self._clients.pop(connection, None)

    def _abort(self, connection: Abortable) -> None:
        del self._clients[connection]
        connection.abort()
