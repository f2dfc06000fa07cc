"""Servers on loopback that are hostile below HTTP: they break TLS after its handshake, or close too soon."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import cache
from pathlib import Path

from tests.certificates import make_server_context

HEAD_BYTES_MAX = 65_536
TIMEOUT_SECONDS = 10.0


class PeerMode(StrEnum):
    """What the server does with a connection, once it is made."""

    PLAIN = "plain"
    """It speaks no TLS, and sends what it was given."""
    TLS = "tls"
    """The same over TLS."""
    GARBAGE = "garbage"
    """Over TLS; what follows is no record of TLS."""
    BAD_RECORD = "bad record"
    """Over TLS; what follows is a record without encryption."""
    CLIENT_CERTIFICATE = "client certificate"
    """It requires a client certificate; under TLS 1.3 the client learns that after the handshake."""
    RESET = "reset"
    """Over TLS; then the connection is reset."""


@contextmanager
def hostile_peer(mode: PeerMode, answer: bytes, certificate: Path) -> Iterator[int]:
    """Serve until the block ends; yields the port. A thread with plain sockets: only they can break TLS on purpose."""
    context = _make_context(mode, certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=_accept, args=(listener, mode, answer, context), daemon=True)
        serving.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(TIMEOUT_SECONDS)


@cache
def _make_context(mode: PeerMode, certificate: Path) -> ssl.SSLContext:
    context = make_server_context(certificate)
    if mode is PeerMode.CLIENT_CERTIFICATE:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate / "certificate.pem")
    return context


def _accept(listener: socket.socket, mode: PeerMode, answer: bytes, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(TIMEOUT_SECONDS)
        with suppress(OSError), connection:
            _serve(connection, mode, answer, context)


def _serve(connection: socket.socket, mode: PeerMode, answer: bytes, context: ssl.SSLContext) -> None:
    if mode is PeerMode.PLAIN:
        connection.recv(HEAD_BYTES_MAX)
        connection.sendall(answer)
        return
    below = connection.dup()
    with below, context.wrap_socket(connection, server_side=True) as secured:
        secured.recv(HEAD_BYTES_MAX)
        match mode:
            case PeerMode.GARBAGE:
                below.sendall(answer or b"\x00")
            case PeerMode.BAD_RECORD:
                below.sendall(b"\x17\x03\x03" + len(answer[:16_000]).to_bytes(2) + answer[:16_000])
            case PeerMode.RESET:
                below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            case _:
                secured.sendall(answer)
