"""The server's side of one connection, with timeouts.

The web server itself would wait for ever for the rest of a request's headers, and for a client to read its response.
Here a slow connection is closed, and with too many connections the one that has been idle longest is closed: a thousand
slow clients become a thousand closed connections, and the next scrape is answered. The request guard bounds what is in
progress.
"""

import asyncio
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from oddaemon.core.client_network import find_client_network
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.security_headers import HEADERS
from oddaemon.http_server.unix_socket import get_peer

_QUIET_LOGGER = logging.getLogger("uvicorn.error.requests")
_QUIET_LOGGER.setLevel(logging.ERROR)
"""A bad request is answered, but not logged: a client must not fill our log."""


def _make_final_response(status: HTTPStatus, sentence: str) -> bytes:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n{sentence}\n".encode()


_NOT_HTTP = _make_final_response(HTTPStatus.BAD_REQUEST, "This is not an HTTP request.")
_TOO_LARGE = _make_final_response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request headers are too large.")


class TimeoutProtocol(H11Protocol):
    """One connection. Each milestone (connected, headers received, response made) must follow the last one in time.

    An event stream is a response that never ends: it may go on as long as its client reads what is sent.
    """

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    _timer: asyncio.TimerHandle | None = None
    _last_milestone: float = 0.0
    client_network: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the timer, and make room after what has already arrived is read: of a burst, few are idle then."""
        self.logger = _QUIET_LOGGER
        super().connection_made(transport)
        self.client = get_peer(transport.get_extra_info("socket")) or self.client
        self.client_network = find_client_network(self.client[0]) if self.client else ""
        self._restart_timer()
        self.loop.call_soon(self.loop.call_soon, self._make_room)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Restart the timer when all headers have arrived, not for single bytes."""
        previous_cycle = self.cycle
        super().data_received(data)
        if self.cycle is not previous_cycle:
            self._restart_timer()

    def on_response_complete(self) -> None:
        """Restart the timer when the response is made."""
        super().on_response_complete()
        self._restart_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer and close the connection."""
        del msg
        unread, _ = self.conn.trailing_data
        self.transport.write(_TOO_LARGE if len(unread) > self.limits.head_bytes_max else _NOT_HTTP)
        self.transport.close()

    @property
    def is_responding(self) -> bool:
        """Whether a response is being made: then the client is not the slow side."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def waiting_since(self) -> float:
        """The last milestone, on the event loop's clock."""
        return self._last_milestone

    def abort_connection(self) -> None:
        """Close the connection now, and drop what is still to be sent or read."""
        if self.is_responding:
            self.cycle.disconnected = True
        self.connections.discard(self)
        self.transport.abort()

    def _make_room(self) -> None:
        """Close the idle connection that has waited longest if there are too many, of this one's client or in all.

        What this connection will ask for may not be known yet, and it may be a scrape: so it is never the one.
        """
        others = [each for each in self.connections if isinstance(each, TimeoutProtocol) and each is not self]
        idle = [each for each in others if not each.is_responding]
        own = [each for each in idle if each.client_network == self.client_network]
        limits = self.limits
        if len(own) >= limits.connections_per_client_max:
            _abort_longest_waiting(own)
        elif len(idle) >= limits.connections_max - min(len(others) - len(idle), limits.requests_max):
            _abort_longest_waiting(idle)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._last_milestone = self.loop.time()
        self._timer = self.loop.call_later(self.limits.timeout_seconds, self._on_timeout)

    def _on_timeout(self) -> None:
        """Close the connection, unless its client has read everything of a stream so far."""
        if self.is_responding and self.cycle.response_started and not self.transport.get_write_buffer_size():
            self._restart_timer()
        else:
            self.abort_connection()


def _abort_longest_waiting(idle: Iterable[TimeoutProtocol]) -> None:
    for each in sorted(idle, key=lambda each: each.waiting_since)[:1]:
        each.abort_connection()


def make_protocol(limits: ConnectionLimits) -> type[TimeoutProtocol]:
    """A protocol class with these limits: the web server creates one instance for each connection."""
    return type("LimitedProtocol", (TimeoutProtocol,), {"limits": limits})
