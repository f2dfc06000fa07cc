"""Name, connection and certificate, each over real sockets of this machine."""

import socket
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from oddaemon.core.diagnostics.diagnosis import CheckName, Connectivity
from oddaemon.opendental.connectivity import check_connectivity, make_unchecked_connectivity
from tests.certificates import client_tls, server_tls
from tests.opendental.asking import BASE_URL, Site, answer, asked
from tests.opendental.listening import listening, saying

PATIENCE_SECONDS = 20.0


async def reached(url: str, trusted: Path | None = None, patience_seconds: float = PATIENCE_SECONDS) -> Connectivity:
    return await check_connectivity(f"{url}/api/v1", client_tls(trusted), patience_seconds)


async def mute(stream: ByteStream) -> None:
    await stream.receive()
    await anyio.sleep_forever()


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 63}.invalid"])
async def test_a_name_that_nobody_knows_is_found_out_before_any_connection(host: str) -> None:
    found = await reached(f"https://{host}")
    assert (found.failed_at, found.addresses) == (CheckName.DNS, ())
    assert found.message
    assert not found.message.startswith("[")


async def test_a_port_on_which_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await reached(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (found.failed_at, found.addresses) == (CheckName.CONNECTION, ("127.0.0.1",))
    assert found.message == "connection refused"


async def test_a_port_on_which_nobody_listens_at_any_of_several_addresses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await reached(f"http://localhost:{taken.getsockname()[1]}")
    assert (found.failed_at, found.message) == (CheckName.CONNECTION, "connection refused")


async def test_plain_http_on_the_own_network_ends_with_the_connection() -> None:
    async with listening(saying()) as port:
        found = await reached(f"http://localhost:{port}")
    assert found.failed_at is None
    assert (found.host, found.port, found.secure) == ("localhost", port, False)
    assert "127.0.0.1" in found.addresses


async def test_a_certificate_that_is_trusted_is_shown_with_its_end(certificate: Path) -> None:
    async with listening(mute, server_tls(certificate)) as port:
        found = await reached(f"https://127.0.0.1:{port}", certificate)
    assert (found.failed_at, found.protocol) == (None, "TLSv1.3")
    assert found.certificate_ends_at is not None


async def test_a_certificate_that_is_not_trusted_or_of_another_name(certificate: Path) -> None:
    async with listening(mute, server_tls(certificate)) as port:
        stranger = await reached(f"https://127.0.0.1:{port}")
        misnamed = await reached(f"https://localhost:{port}", certificate)
    assert (stranger.failed_at, misnamed.failed_at) == (CheckName.TLS, CheckName.TLS)
    assert "self-signed" in stranger.message.replace("self signed", "self-signed")
    assert "localhost" in misnamed.message


@pytest.mark.parametrize(
    ("sent", "words"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong version number"), (b"", "hung up")],
    ids=["no TLS", "nothing"],
)
async def test_a_server_that_does_not_speak_tls(sent: bytes, words: str) -> None:
    async with listening(saying(sent) if sent else saying()) as port:
        found = await reached(f"https://127.0.0.1:{port}")
    assert found.failed_at is CheckName.TLS
    assert words in found.message


async def test_a_handshake_that_never_ends_is_given_up() -> None:
    async with listening(mute) as port:
        found = await reached(f"https://127.0.0.1:{port}", patience_seconds=0.2)
    assert (found.failed_at, found.message) == (CheckName.TLS, "no handshake in time")


async def test_where_requests_are_carried_without_a_network_there_is_no_way_to_look_at() -> None:
    world = asked(Site(answer(b"[]")).transport)
    assert (
        await world.api.check_connectivity(BASE_URL)
        == make_unchecked_connectivity(BASE_URL)
        == Connectivity("api.example.com", 443, secure=True)
    )


async def test_the_api_reaches_with_its_own_certificates_and_patience() -> None:
    async with listening(saying()) as port:
        found = await asked(base_url=f"http://127.0.0.1:{port}/api/v1").api.check_connectivity(
            f"http://127.0.0.1:{port}/api/v1"
        )
    assert found.failed_at is None
