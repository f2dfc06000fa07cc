"""Whoever is pushed to: a real HTTP server on loopback that verifies, keeps books, and misbehaves as it is told."""

import gzip
import json
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener
from standardwebhooks import Webhook as Reference
from standardwebhooks import WebhookVerificationError

SECRET = "whsec_cGxhbnRlZC1zZWNyZXQtb2Ytc29tZS1sZW5ndGg="
"""base64 of planted-secret-of-some-length."""
HEAD_BYTES_MAX = 100_000


@dataclass(frozen=True)
class Answer:
    """How one request is treated."""

    status: int = 204
    headers: tuple[str, ...] = ()
    body: bytes = b""
    length: int | None = None
    """The Content-Length that is told; None: the body's."""
    takes: bool | None = None
    """Whether what came is kept; None: as the status says."""
    times: int = 1
    """How often the answer is sent: 0 is an acknowledgement that is lost."""
    stalls: bool = False
    """Whether it never comes, though the connection stays."""
    trickles: bool = False
    """Whether it comes a byte at a time, for ever."""


WELL = Answer()
LOST = Answer(times=0, takes=True)
STALLED = Answer(stalls=True, takes=True)


@dataclass(frozen=True)
class Request:
    """What came."""

    headers: dict[str, str]
    content: bytes = field(repr=False)
    """As it was sent."""

    @property
    def text(self) -> bytes:
        return gzip.decompress(self.content) if self.headers.get("content-encoding") == "gzip" else self.content

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass
class Receiver:
    """Its books follow the rules of a good consumer: verify, dedupe by delivery, apply a delivery when it is whole."""

    plan: deque[Answer] = field(default_factory=lambda: deque([WELL]))
    """One for each request, then the last for ever."""
    requests: list[Request] = field(default_factory=list)
    forged: int = 0
    books: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    """The deliveries, in the order in which they were whole."""
    connections: int = 0
    strike: Callable[[str, Request], None] = lambda *_: None
    """Called "before" and "after" each answer."""
    news: anyio.Event = field(default_factory=anyio.Event)
    _parts: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)

    def answers(self, *plan: Answer) -> None:
        self.plan = deque(plan)

    def totals(self, office_id: str) -> list[tuple[int, str]]:
        """What it believes each guarantor of an office owes."""
        return sorted((pat_num, row["bal_total"]) for pat_num, row in self.books.get(office_id, {}).items())

    def take(self, request: Request) -> None:
        said = request.document
        delivery_id, office = said["delivery_id"], said["office"]
        if delivery_id in self.applied:
            return
        parts = self._parts.setdefault(delivery_id, {})
        if said["part"] == 1:
            parts.clear()
        parts[said["part"]] = said["balances"] if said["content"] == "snapshot" else said["changes"]
        if len(parts) < said["parts"]:
            return
        rows = [row for number in sorted(parts) for row in parts[number]]
        book = {} if said["content"] == "snapshot" else dict(self.books[office])
        for row in rows:
            if row.get("change") == "cleared":
                del book[row["pat_num"]]
            else:
                book[row["pat_num"]] = {name: value for name, value in row.items() if not name.startswith("was_")}
        self.books[office] = book
        self.applied.append(delivery_id)

    async def has_had(self, count: int) -> None:
        """Wait for so many requests."""
        with anyio.fail_after(240):
            while len(self.requests) < count:
                await self.news.wait()

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Listen; gives the address to push to."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
        port: int = listener.extra(SocketAttribute.local_port)
        serving = TLSListener(listener, tls, standard_compatible=False) if tls else listener
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(serving.serve, self._connection)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/balances?token=planted-token"
            tasks.cancel_scope.cancel()

    async def _connection(self, stream: ByteStream) -> None:
        self.connections += 1
        buffered = BufferedByteReceiveStream(stream)
        try:
            async with stream:
                while await self._exchange(buffered, stream):
                    pass
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead):
            pass  # the client hung up

    async def _exchange(self, buffered: BufferedByteReceiveStream, stream: ByteStream) -> bool:
        head = await buffered.receive_until(b"\r\n\r\n", HEAD_BYTES_MAX)
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        request = Request(headers, await buffered.receive_exactly(int(headers["content-length"])))
        self.requests.append(request)
        self.news.set()
        self.news = anyio.Event()
        answer = self.plan.popleft() if len(self.plan) > 1 else self.plan[0]
        try:
            Reference(SECRET).verify(request.text, headers)
        except WebhookVerificationError:
            self.forged += 1
            answer = Answer(401)
        if answer.takes if answer.takes is not None else answer.status < 300:
            self.take(request)
        if answer.stalls:
            await anyio.sleep_forever()
        length = len(answer.body) if answer.length is None else answer.length
        told = [f"HTTP/1.1 {answer.status} Whatever", f"Content-Length: {length}", *answer.headers, "", ""]
        self.strike("before", request)
        for _ in range(answer.times):
            await stream.send("\r\n".join(told).encode() + answer.body)
        self.strike("after", request)
        while answer.trickles:
            await stream.send(b"x")
            await anyio.sleep(0.01)
        return answer.times > 0
