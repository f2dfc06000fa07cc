"""An HTTP proxy as companies have them: it opens tunnels with CONNECT, may want credentials, and may be in trouble."""

import base64
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

HEAD_BYTES_MAX = 16_384
_CONNECT = re.compile(r"CONNECT \[?([^\s\]]+)\]?:(\d+) HTTP/1\.1\r\n")
_AUTHORIZATION = re.compile(r"\r\nproxy-authorization: *basic +(\S+)\r\n", re.IGNORECASE)


@dataclass
class ConnectProxy:
    """A proxy on this machine.

    Attributes:
        credentials: `user:password` that it wants; empty: none.
        refusal: it answers every CONNECT with this status; None: it opens tunnels.
        greeting: it answers every CONNECT with these bytes; None: as HTTP has it. Empty: it says nothing for ever.
        cut_after_bytes: it closes a tunnel after it passed this number of bytes to the client; None: it does not.
        tunnels: the targets of the tunnels that it opened, as `host:port`.
        seen: all bytes that clients sent through it.
    """

    credentials: str = field(default="", repr=False)
    refusal: int | None = None
    greeting: bytes | None = None
    cut_after_bytes: int | None = None
    tunnels: list[str] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray, repr=False)

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Serve on a free port of 127.0.0.1 until the end of the block; yields the port. `tls`: its own certificate."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - Django's rule, anyio's extra
        async with listener, anyio.create_task_group() as tasks:
            serving = TLSListener(listener, tls, standard_compatible=False) if tls else listener
            tasks.start_soon(serving.serve, self._serve)
            yield port
            tasks.cancel_scope.cancel()

    async def _serve(self, client: ByteStream) -> None:
        async with client:
            try:
                await self._open_tunnel(client)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def _open_tunnel(self, client: ByteStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES_MAX:
            head += await client.receive()
        text = head.decode("latin-1")
        target = _CONNECT.match(text)
        if self.greeting is not None:
            await (client.send(self.greeting) if self.greeting else anyio.sleep_forever())
            return
        if target is None:
            await _refuse(client, HTTPStatus.METHOD_NOT_ALLOWED)
            return
        if (status := self.refusal or self._find_refusal(text)) is not None:
            await _refuse(client, status)
            return
        host, port = target.group(1), int(target.group(2))
        try:
            server = await anyio.connect_tcp(host, port)
        except OSError:
            await _refuse(client, HTTPStatus.BAD_GATEWAY)
            return
        self.tunnels.append(f"{host}:{port}")
        await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._copy, server, client, tasks.cancel_scope, None, self.cut_after_bytes)
            await self._copy(client, server, tasks.cancel_scope, self.seen)

    def _find_refusal(self, head: str) -> int | None:
        expected = base64.b64encode(self.credentials.encode()).decode()
        found = _AUTHORIZATION.search(head)
        return (
            HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
            if self.credentials and (found is None or found.group(1) != expected)
            else None
        )

    async def _copy(
        self,
        source: ByteStream,
        target: ByteStream,
        tunnel: anyio.CancelScope,
        seen: bytearray | None = None,
        bytes_max: int | None = None,
    ) -> None:
        """Pass everything on; the end of either side ends the tunnel, and so do this many bytes."""
        rest = bytes_max
        try:
            async for chunk in source:
                if rest is not None and (rest := rest - len(chunk)) <= 0:
                    break
                if seen is not None:
                    seen += chunk
                await target.send(chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        tunnel.cancel()


async def _refuse(client: ByteStream, status: int) -> None:
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    await client.send(head.encode())
