"""Requests through a proxy: tunnelled with TLS from end to end, and no failure of the proxy is anyone else's."""

import socket
import ssl
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import ByteStream

from oddaemon.core.diagnostics.diagnosis import CheckName
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import REFUSED_BY_US
from oddaemon.core.model import Owner
from oddaemon.core.secret import Secret
from oddaemon.http_client.proxy import Proxy, is_disconnected
from oddaemon.http_client.tls import describe_tls_error
from oddaemon.opendental.client import Limits
from oddaemon.opendental.connectivity import check_connectivity
from oddaemon.opendental.decode_values import Row
from oddaemon.simulator.transport.proxy import ConnectProxy
from tests.certificates import make_client_context, make_server_context
from tests.opendental.client_harness import CUSTOMER_KEY, ROWS, ClientHarness, get_query_failure, make_harness
from tests.opendental.loopback_server import loopback_server, make_head, respond_with, respond_with_body

CREDENTIALS = "daemon:planted-proxy-password"
LIMITS = Limits(connect_timeout_seconds=10.0, request_timeout_seconds=65.0, max_response_bytes=65_536)
IMPATIENT = Limits(connect_timeout_seconds=0.2, request_timeout_seconds=0.2, max_response_bytes=65_536)


def make_proxy(port: int, credentials: str = "", scheme: str = "http") -> Proxy:
    user = f"{credentials}@" if credentials else ""
    return Proxy(Secret(f"{scheme}://{user}127.0.0.1:{port}"))


def connect_through(
    proxy: Proxy, port: int, trusted: Path | None, limits: Limits = LIMITS, *, remote: bool = True
) -> ClientHarness:
    world = make_harness(base_url=f"https://127.0.0.1:{port}/api/v1", limits=limits, proxy=proxy, remote=remote)
    if trusted is not None:
        world.api._tls.load_verify_locations(trusted / "certificate.pem")
    return world


async def get_failure_through(proxy: Proxy, limits: Limits = LIMITS) -> Failure:
    async with connect_through(proxy, 443, None, limits).office.session() as session:
        return await get_query_failure(session)


async def test_a_request_goes_through_the_tunnel_and_the_proxy_sees_no_key(certificate: Path) -> None:
    proxy = ConnectProxy(CREDENTIALS)
    async with (
        loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port,
        proxy.listening() as proxy_port,
    ):
        world = connect_through(make_proxy(proxy_port, CREDENTIALS), port, certificate)
        async with world.office.session() as session:
            assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
    assert proxy.tunnels == [f"127.0.0.1:{port}"]
    assert proxy.seen[:1] == b"\x16", "a TLS handshake"
    assert CUSTOMER_KEY.encode() not in proxy.seen


async def test_a_proxy_with_a_certificate_of_its_own_is_verified_too(certificate: Path) -> None:
    proxy, tls = ConnectProxy(), make_server_context(certificate)
    async with loopback_server(respond_with_body(ROWS), tls) as port, proxy.listening(tls) as proxy_port:
        secure = make_proxy(proxy_port, scheme="https")
        async with connect_through(secure, port, certificate).office.session() as session:
            assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
        refused = await get_failure_through(secure)
    assert (refused.kind, proxy.tunnels) == (FailureKind.PROXY, [f"127.0.0.1:{port}"])
    assert "certificate" in refused.message


@pytest.mark.parametrize("status", [403, 407, 500, 502, 503, 504])
async def test_a_proxy_that_refuses_is_our_trouble_and_no_one_elses(status: int) -> None:
    async with ConnectProxy(refusal=status).listening() as port:
        found = await get_failure_through(make_proxy(port, CREDENTIALS))
    assert (found.kind, found.kind.owner) == (FailureKind.PROXY, Owner.US)
    assert f"HTTP {status}" in found.message
    assert found.kind in REFUSED_BY_US


@pytest.mark.parametrize("greeting", [b"", b"\x00\xff\r\n\r\n", b"HTTP/1.1 200 OK\r\n"], ids=["silent", "odd", "cut"])
async def test_a_proxy_that_speaks_no_http_is_our_trouble(greeting: bytes) -> None:
    async with ConnectProxy(greeting=greeting).listening() as port:
        found = await get_failure_through(make_proxy(port), IMPATIENT)
    assert found.kind is FailureKind.PROXY


async def test_a_proxy_that_is_down_or_unknown_is_our_trouble() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert (await get_failure_through(make_proxy(taken.getsockname()[1]))).kind is FailureKind.PROXY
    unknown = Proxy(Secret("http://no-such-proxy.invalid:3128"))
    assert (await get_failure_through(unknown)).kind is FailureKind.PROXY


async def test_a_certificate_that_the_proxy_swaps_is_refused_as_any_other(certificate: Path) -> None:
    async with (
        loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port,
        ConnectProxy().listening() as proxy_port,
        connect_through(make_proxy(proxy_port), port, None).office.session() as session,
    ):
        found = await get_query_failure(session)
    assert found.kind is FailureKind.TLS


async def test_what_fails_beyond_an_open_tunnel_is_not_the_proxys_failure(certificate: Path) -> None:
    async def respond_slowly(stream: ByteStream) -> None:
        await stream.receive()
        await anyio.sleep_forever()

    server = respond_with(make_head("504 Gateway Timeout", "Content-Length: 0"))
    for handle, kind in ((server, FailureKind.GATEWAY_TIMEOUT), (respond_slowly, FailureKind.TIMEOUT)):
        async with (
            loopback_server(handle, make_server_context(certificate)) as port,
            ConnectProxy().listening() as proxy_port,
        ):
            limits = Limits(connect_timeout_seconds=10.0, request_timeout_seconds=1.0, max_response_bytes=65_536)
            world = connect_through(make_proxy(proxy_port), port, certificate, limits)
            async with world.office.session() as session:
                assert (await get_query_failure(session)).kind is kind


@pytest.mark.parametrize("bytes_passed", [100, 1200], ids=["while TLS begins", "in the middle"])
async def test_an_open_tunnel_that_closes_is_our_trouble(certificate: Path, bytes_passed: int) -> None:
    async with (
        loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port,
        ConnectProxy(cut_after_bytes=bytes_passed).listening() as proxy_port,
        connect_through(make_proxy(proxy_port), port, certificate).office.session() as session,
    ):
        found = await get_query_failure(session)
    assert (found.kind, found.kind.owner) == (FailureKind.PROXY_CONNECTION_LOST, Owner.US)
    assert found.kind in REFUSED_BY_US, "no outage of the API is concluded from it"


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol"),
        ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)"),
        ssl.SSLSyscallError(ssl.SSL_ERROR_SYSCALL, "Some I/O error occurred"),
        ConnectionResetError(),
    ],
    ids=repr,
)
def test_a_closed_tunnel_is_known_however_the_version_of_python_reports_it(error: OSError) -> None:
    raised = httpx.ConnectError("")
    raised.__cause__ = error
    assert is_disconnected(raised)


def test_what_tls_objects_to_is_no_closed_tunnel() -> None:
    objection = ssl.SSLError(ssl.SSL_ERROR_SSL, "wrong version number")
    objection.reason = "WRONG_VERSION_NUMBER"
    raised = httpx.ConnectError("")
    raised.__cause__ = objection
    assert not is_disconnected(raised)
    assert objection.reason in describe_tls_error("host", objection)
    assert "No TLS" not in describe_tls_error("host", ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred"))


async def test_an_office_on_its_own_network_is_reached_directly(certificate: Path) -> None:
    proxy = ConnectProxy()
    async with (
        loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port,
        proxy.listening() as proxy_port,
    ):
        world = connect_through(make_proxy(proxy_port), port, certificate, remote=False)
        async with world.office.session() as session:
            await session.query("SELECT 1 AS One", list)
    assert proxy.tunnels == []


async def test_proxies_of_the_environment_are_not_used(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://no-such-proxy.invalid:3128")
    async with loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port:
        world = make_harness(base_url=f"https://127.0.0.1:{port}/api/v1")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
        found = await world.api.check_connectivity(world.credentials)
    assert (found.failed_at, found.proxy) == (None, "")


# --- the doctor's own way ---------------------------------------------------------------------------------------------


async def check_through(proxy: Proxy, port: int, tls: ssl.SSLContext) -> tuple[CheckName | None, str, str]:
    found = await check_connectivity(f"https://127.0.0.1:{port}/api/v1", tls, 10.0, proxy)
    return found.failed_at, found.proxy, found.message


async def test_the_doctor_goes_the_same_way_and_names_the_proxy(certificate: Path) -> None:
    async with (
        loopback_server(respond_with(), make_server_context(certificate)) as port,
        ConnectProxy(CREDENTIALS).listening() as proxy_port,
    ):
        trusting = make_client_context(certificate)
        proxy = make_proxy(proxy_port, CREDENTIALS)
        assert await check_through(proxy, port, trusting) == (None, f"127.0.0.1:{proxy_port}", "")
        failed_at, _, message = await check_through(make_proxy(proxy_port, "daemon:wrong"), port, trusting)
        assert (failed_at, "HTTP 407" in message) == (CheckName.CONNECTION, True)
        failed_at, _, _ = await check_through(proxy, port, make_client_context())
        assert failed_at is CheckName.TLS


@pytest.mark.parametrize("greeting", [b"\x00\xff\r\n\r\n", b"HTTP/1.1 302 Found\r\n\r\n"])
async def test_the_doctor_fails_at_the_connection_where_the_proxy_is_none(greeting: bytes) -> None:
    async with ConnectProxy(greeting=greeting).listening() as port:
        failed_at, _, _ = await check_through(make_proxy(port), 443, make_client_context())
    assert failed_at is CheckName.CONNECTION


def test_a_proxy_shows_its_address_and_never_its_password() -> None:
    proxy = make_proxy(3128, CREDENTIALS)
    assert proxy.address == "127.0.0.1:3128"
    assert "planted" not in repr(proxy)
