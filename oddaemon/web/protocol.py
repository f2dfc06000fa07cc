"""The web server's side of one connection, with an end to its patience.

The web server itself would wait for ever for the rest of a head, and for a client to take its answer. Here whoever
keeps it waiting is cut, and where there are too many connections the one that has done so longest makes room: a
thousand slow clients are a thousand closed connections, and the next scrape is answered.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from oddaemon.web.headers import HEADERS
from oddaemon.web.limits import Limits
from oddaemon.web.unix_socket import peer_of

_QUIET = logging.getLogger("uvicorn.error.requests")
_QUIET.setLevel(logging.ERROR)
"""What is wrong with a request is its client's affair: told to it, and not written to our log at the client's pace."""


def _last_answer(status: HTTPStatus, sentence: str) -> bytes:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n{sentence}\n".encode()


_NO_HTTP = _last_answer(HTTPStatus.BAD_REQUEST, "This is no HTTP request.")
_TOO_LARGE = _last_answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")


class GuardedProtocol(H11Protocol):
    """One connection. A milestone (connected, a whole head, an answer made) must follow the last one in time.

    A stream of events is an answer that has begun and is never made: it goes on as long as its client takes what comes.
    """

    limits: ClassVar[Limits] = Limits()
    _watch: asyncio.TimerHandle | None = None
    _since: float = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Make room for it, or refuse it where all others are being answered."""
        self.logger = _QUIET
        super().connection_made(transport)
        self.client = peer_of(transport.get_extra_info("socket")) or self.client
        self._milestone()
        if len(self.connections) > self.limits.connections_max:
            waiting = (each for each in self.connections if isinstance(each, GuardedProtocol) and not each.is_at_work)
            min(waiting, key=lambda each: each.waiting_since).cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes are no milestone; a whole head is."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._milestone()

    def on_response_complete(self) -> None:
        """The answer is made, if not taken."""
        super().on_response_complete()
        self._milestone()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP ends the connection."""
        del msg
        unread, _ = self.conn.trailing_data
        self.transport.write(_TOO_LARGE if len(unread) > self.limits.head_bytes_max else _NO_HTTP)
        self.transport.close()

    @property
    def is_at_work(self) -> bool:
        """Whether an answer is being made: then it is not the client who keeps us waiting."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def waiting_since(self) -> float:
        """The last milestone, on the event loop's clock."""
        return self._since

    def cut(self) -> None:
        """End the connection now, whatever it still has to say or to hear."""
        if self.is_at_work:
            self.cycle.disconnected = True
        self.connections.discard(self)
        self.transport.abort()

    def _milestone(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._since = self.loop.time()
        self._watch = self.loop.call_later(self.limits.patience_seconds, self._judge)

    def _judge(self) -> None:
        """Patience is over; but whoever has taken all that was made of a stream so far does not keep us waiting."""
        if self.is_at_work and self.cycle.response_started and not self.transport.get_write_buffer_size():
            self._milestone()
        else:
            self.cut()


def protocol_with(limits: Limits) -> type[GuardedProtocol]:
    """The protocol with these limits: the web server makes one for each connection, from a type."""
    return type("LimitedProtocol", (GuardedProtocol,), {"limits": limits})
