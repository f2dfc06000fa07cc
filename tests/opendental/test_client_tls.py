from pathlib import Path

import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental.decode_values import Row
from tests.certificates import make_server_context
from tests.opendental.client_harness import ROWS, get_query_failure
from tests.opendental.loopback_server import (
    connect_to,
    get_failure_at,
    loopback_server,
    make_head,
    respond_with,
    respond_with_body,
)


async def test_a_self_signed_certificate_is_refused_before_any_key_is_sent(certificate: Path) -> None:
    heard: list[bytes] = []

    async def talk(stream: ByteStream) -> None:
        heard.append(await stream.receive())

    async with loopback_server(talk, make_server_context(certificate)) as port:
        found = await get_failure_at(port, scheme="https")
    assert found.kind is FailureKind.TLS
    assert "certificate" in found.message
    assert heard == []


async def test_a_certificate_that_is_trusted_is_accepted(certificate: Path) -> None:
    async with loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port:
        world = connect_to(port, scheme="https")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]


async def test_a_certificate_of_another_name_is_refused(certificate: Path) -> None:
    async with loopback_server(respond_with_body(ROWS), make_server_context(certificate)) as port:
        world = connect_to(port, scheme="https", host="localhost")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            found = await get_query_failure(session)
    assert found.kind is FailureKind.TLS
    assert "localhost" in found.message


@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["no TLS", "nothing"])
async def test_a_server_that_does_not_speak_tls_is_no_matter_of_certificates(sent: bytes) -> None:
    async with loopback_server(respond_with(sent) if sent else respond_with()) as port:
        assert (await get_failure_at(port, scheme="https")).kind is FailureKind.CONNECT


async def test_tls_that_breaks_in_the_middle_is_a_lost_connection(certificate: Path) -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(make_head("200 OK", "Content-Length: 500") + ROWS)
        assert isinstance(stream, TLSStream)
        await stream.transport_stream.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    async with loopback_server(talk, make_server_context(certificate)) as port:
        world = connect_to(port, scheme="https")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            found = await get_query_failure(session)
    assert found.kind is FailureKind.CONNECTION_LOST
