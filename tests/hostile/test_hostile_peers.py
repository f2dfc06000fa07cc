"""Whatever a foreign server does on its socket is that server's failure, for each HTTP client."""

from pathlib import Path

import pytest

from tests.certificates import make_client_context
from tests.hostile.locations import HOSTILE_LOCATIONS
from tests.hostile.peer_clients import HTTP_CLIENTS
from tests.hostile.tls_peers import PeerMode, hostile_peer

every_client = pytest.mark.parametrize("client", HTTP_CLIENTS)


@every_client
@pytest.mark.parametrize("mode", [mode for mode in PeerMode if mode not in {PeerMode.PLAIN, PeerMode.TLS}])
@pytest.mark.parametrize("attempt", range(3))
async def test_tls_that_breaks_after_its_handshake_is_a_failure_of_that_peer(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, client: str, mode: PeerMode, attempt: int
) -> None:
    """Several times: it is a race whether the client hears an alert or a reset."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    with hostile_peer(mode, b"\x17\x03\x03\x00\x20" + bytes([attempt]) * 32, certificate) as port:
        assert await HTTP_CLIENTS[client](f"https://127.0.0.1:{port}", make_client_context(certificate))


@every_client
@pytest.mark.parametrize("location", HOSTILE_LOCATIONS)
async def test_a_redirect_to_nowhere_is_a_failure_of_that_peer(certificate: Path, client: str, location: str) -> None:
    answer = f"HTTP/1.1 307 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with hostile_peer(PeerMode.PLAIN, answer, certificate) as port:
        assert await HTTP_CLIENTS[client](f"http://127.0.0.1:{port}", make_client_context(certificate))
