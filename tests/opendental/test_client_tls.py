from pathlib import Path

import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from oddaemon.core.failures.failure import FailureKind
from tests.certificates import server_tls
from tests.opendental.asking import ROWS, failure_of_query
from tests.opendental.listening import api_at, failure_at, head, listening, saying, whole


async def test_a_self_signed_certificate_is_refused_before_any_key_is_sent(certificate: Path) -> None:
    heard: list[bytes] = []

    async def talk(stream: ByteStream) -> None:
        heard.append(await stream.receive())

    async with listening(talk, server_tls(certificate)) as port:
        found = await failure_at(port, scheme="https")
    assert found.kind is FailureKind.TLS
    assert "certificate" in found.message
    assert heard == []


async def test_a_certificate_that_is_trusted_is_accepted(certificate: Path) -> None:
    async with listening(whole(ROWS), server_tls(certificate)) as port:
        world = api_at(port, scheme="https")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            assert await session.query("SELECT 1 AS One") == [{"One": 1}]


async def test_a_certificate_of_another_name_is_refused(certificate: Path) -> None:
    async with listening(whole(ROWS), server_tls(certificate)) as port:
        world = api_at(port, scheme="https", host="localhost")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            found = await failure_of_query(session)
    assert found.kind is FailureKind.TLS
    assert "localhost" in found.message


@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["no TLS", "nothing"])
async def test_a_server_that_does_not_speak_tls_is_no_matter_of_certificates(sent: bytes) -> None:
    async with listening(saying(sent) if sent else saying()) as port:
        assert (await failure_at(port, scheme="https")).kind is FailureKind.CONNECT


async def test_tls_that_breaks_in_the_middle_is_a_lost_connection(certificate: Path) -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(head("200 OK", "Content-Length: 500") + ROWS)
        assert isinstance(stream, TLSStream)
        await stream.transport_stream.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    async with listening(talk, server_tls(certificate)) as port:
        world = api_at(port, scheme="https")
        world.api._tls.load_verify_locations(certificate / "certificate.pem")
        async with world.office.session() as session:
            found = await failure_of_query(session)
    assert found.kind is FailureKind.CONNECTION_LOST
