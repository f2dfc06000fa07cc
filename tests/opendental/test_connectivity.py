"""Name, connection and certificate, each over real sockets of this machine."""

import socket
import ssl
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from oddaemon.core.diagnostics.diagnosis import CheckName, Connectivity
from oddaemon.opendental.connectivity import _describe_error, check_connectivity, make_unchecked_connectivity
from tests.certificates import make_client_context, make_server_context
from tests.golden import GoldenTexts
from tests.opendental.client_harness import BASE_URL, ScriptedServer, make_harness, make_response
from tests.opendental.loopback_server import loopback_server, respond_with
from tests.stepped_clock import SteppedLoop, step_clock

pytestmark = pytest.mark.event_loop(factory=SteppedLoop)

TIMEOUT_SECONDS = 60.0


async def check_reach(url: str, trusted: Path | None = None) -> Connectivity:
    return await check_connectivity(f"{url}/api/v1", make_client_context(trusted), TIMEOUT_SECONDS)


async def never_respond(stream: ByteStream) -> None:
    await stream.receive()
    await anyio.sleep_forever()


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 63}.invalid"])
async def test_an_unknown_host_name_is_found_before_any_connection(host: str) -> None:
    found = await check_reach(f"https://{host}")
    assert (found.failed_at, found.addresses) == (CheckName.DNS, ())
    assert found.message
    assert not found.message.startswith("[")


async def test_a_closed_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await check_reach(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (found.failed_at, found.addresses) == (CheckName.CONNECTION, ("127.0.0.1",))
    assert found.message == "connection refused"


async def test_a_closed_port_at_every_one_of_several_addresses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await check_reach(f"http://localhost:{taken.getsockname()[1]}")
    assert (found.failed_at, found.message) == (CheckName.CONNECTION, "connection refused")


async def test_plain_http_on_the_own_network_ends_with_the_connection() -> None:
    async with loopback_server(respond_with()) as port:
        found = await check_reach(f"http://localhost:{port}")
    assert found.failed_at is None
    assert (found.host, found.port, found.secure) == ("localhost", port, False)
    assert "127.0.0.1" in found.addresses


async def test_a_certificate_that_is_trusted_is_shown_with_its_end(certificate: Path) -> None:
    async with loopback_server(never_respond, make_server_context(certificate)) as port:
        found = await check_reach(f"https://127.0.0.1:{port}", certificate)
    assert (found.failed_at, found.protocol) == (None, "TLSv1.3")
    assert found.certificate_ends_at is not None


async def test_a_certificate_that_is_not_trusted_or_of_another_name(certificate: Path) -> None:
    async with loopback_server(never_respond, make_server_context(certificate)) as port:
        mismatched = await check_reach(f"https://127.0.0.1:{port}")
        misnamed = await check_reach(f"https://localhost:{port}", certificate)
    assert (mismatched.failed_at, misnamed.failed_at) == (CheckName.TLS, CheckName.TLS)
    assert "self-signed" in mismatched.message.replace("self signed", "self-signed")
    assert "localhost" in misnamed.message


@pytest.mark.parametrize(
    ("sent", "text"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong version number"), (b"", "closed the connection")],
    ids=["no TLS", "nothing"],
)
async def test_a_server_that_does_not_speak_tls(sent: bytes, text: str) -> None:
    async with loopback_server(respond_with(sent) if sent else respond_with()) as port:
        found = await check_reach(f"https://127.0.0.1:{port}")
    assert found.failed_at is CheckName.TLS
    assert text in found.message


def test_the_number_of_a_tls_error_is_not_one_of_the_system(golden: GoldenTexts) -> None:
    error = ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)")
    golden.check(_describe_error(error))


async def test_a_handshake_that_never_ends_is_given_up(golden: GoldenTexts) -> None:
    begun = anyio.Event()

    async def begin(stream: ByteStream) -> None:
        await stream.receive()
        begun.set()
        await anyio.sleep_forever()

    async def let_time_pass() -> None:
        await begun.wait()
        await step_clock(TIMEOUT_SECONDS)

    async with loopback_server(begin) as port, anyio.create_task_group() as tasks:
        tasks.start_soon(let_time_pass)
        found = await check_reach(f"https://127.0.0.1:{port}")
    assert found.failed_at == CheckName.TLS
    golden.check(found.message)


async def test_where_requests_are_carried_without_a_network_there_is_no_way_to_look_at() -> None:
    world = make_harness(ScriptedServer(make_response(b"[]")).make_transport)
    assert (
        await world.api.check_connectivity(world.credentials)
        == make_unchecked_connectivity(BASE_URL)
        == Connectivity("api.example.com", 443, secure=True)
    )


async def test_the_api_checks_with_its_own_certificates_and_timeout() -> None:
    async with loopback_server(respond_with()) as port:
        world = make_harness(base_url=f"http://127.0.0.1:{port}/api/v1")
        found = await world.api.check_connectivity(world.credentials)
    assert found.failed_at is None
