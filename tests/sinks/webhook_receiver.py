"""A receiver of pushes: a real HTTP server on loopback that verifies, keeps books, and misbehaves on request."""

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
class ScriptedResponse:
    """How one request is treated."""

    status: int = 204
    headers: tuple[str, ...] = ()
    body: bytes = b""
    length: int | None = None
    """The Content-Length that is sent; None: the body's."""
    accepts: bool | None = None
    """Whether what came is kept; None: as the status says."""
    times: int = 1
    """How often the answer is sent: 0 is an acknowledgement that is lost."""
    hangs: bool = False
    """Whether it never comes, though the connection stays."""
    trickles: bool = False
    """Whether it comes a byte at a time, for ever."""


ACCEPTED = ScriptedResponse()
LOST_ACK = ScriptedResponse(times=0, accepts=True)
STALLED = ScriptedResponse(hangs=True, accepts=True)


@dataclass(frozen=True)
class ReceivedRequest:
    """What came."""

    headers: dict[str, str]
    content: bytes = field(repr=False)
    """As it was sent."""

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.content) if self.headers.get("content-encoding") == "gzip" else self.content

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class WebhookReceiver:
    """Its books follow the rules of a good consumer: verify, dedupe by delivery, apply a delivery when it is whole."""

    responses: deque[ScriptedResponse] = field(default_factory=lambda: deque([ACCEPTED]))
    """One for each request, then the last for ever."""
    requests: list[ReceivedRequest] = field(default_factory=list)
    forged: int = 0
    books: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    """The deliveries, in the order in which they were whole."""
    connections: int = 0
    on_response: Callable[[str, ReceivedRequest], None] = lambda *_: None
    """Called "before" and "after" each answer."""
    changed: anyio.Event = field(default_factory=anyio.Event)
    _parts: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)

    def script_responses(self, *plan: ScriptedResponse) -> None:
        self.responses = deque(plan)

    def list_totals(self, office_id: str) -> list[tuple[int, str]]:
        """What it believes each guarantor of an office owes."""
        return sorted((pat_num, row["bal_total"]) for pat_num, row in self.books.get(office_id, {}).items())

    def apply_request(self, request: ReceivedRequest) -> None:
        document = request.document
        delivery_id, office = document["delivery_id"], document["office"]
        if delivery_id in self.applied:
            return
        parts = self._parts.setdefault(delivery_id, {})
        if document["part"] == 1:
            parts.clear()
        parts[document["part"]] = document["balances"] if document["content"] == "snapshot" else document["changes"]
        if len(parts) < document["parts"]:
            return
        rows = [row for number in sorted(parts) for row in parts[number]]
        book = {} if document["content"] == "snapshot" else dict(self.books[office])
        for row in rows:
            if row.get("change") == "cleared":
                del book[row["pat_num"]]
            else:
                book[row["pat_num"]] = {name: value for name, value in row.items() if not name.startswith("was_")}
        self.books[office] = book
        self.applied.append(delivery_id)

    async def wait_for_requests(self, count: int) -> None:
        """Wait for this number of requests."""
        with anyio.fail_after(240):
            while len(self.requests) < count:
                await self.changed.wait()

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
                while await self._handle_request(buffered, stream):
                    pass
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead):
            pass  # the client hung up

    async def _handle_request(self, buffered: BufferedByteReceiveStream, stream: ByteStream) -> bool:
        head = await buffered.receive_until(b"\r\n\r\n", HEAD_BYTES_MAX)
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        request = ReceivedRequest(headers, await buffered.receive_exactly(int(headers["content-length"])))
        self.requests.append(request)
        self.changed.set()
        self.changed = anyio.Event()
        answer = self.responses.popleft() if len(self.responses) > 1 else self.responses[0]
        try:
            Reference(SECRET).verify(request.body, headers)
        except WebhookVerificationError:
            self.forged += 1
            answer = ScriptedResponse(401)
        if answer.accepts if answer.accepts is not None else answer.status < 300:
            self.apply_request(request)
        if answer.hangs:
            await anyio.sleep_forever()
        length = len(answer.body) if answer.length is None else answer.length
        head_lines = [f"HTTP/1.1 {answer.status} Whatever", f"Content-Length: {length}", *answer.headers, "", ""]
        self.on_response("before", request)
        for _ in range(answer.times):
            await stream.send("\r\n".join(head_lines).encode() + answer.body)
        self.on_response("after", request)
        while answer.trickles:
            await stream.send(b"x")
            await anyio.sleep(0.01)
        return answer.times > 0
