"""TLS to a real server: only a certificate that is trusted, for the host that the DSN names, receives balances."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oddaemon.sinks.postgres.sink import Postgres
from tests.postgres_server import PostgresServer, find_missing_requirement, running_server
from tests.sinks.payloads import make_payload
from tests.sinks.postgres.deliveries import SECONDS, get_delivery_error

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[tuple[PostgresServer, int]]:
    with running_server(has_port=True) as server:
        server.use_tls(certificate)
        assert server.port is not None
        yield server, server.port


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("sslmode=verify-full", "its certificate is not trusted"),
        ("sslmode=verify-ca", "its certificate is not trusted"),
        ("sslmode=verify-full&sslrootcert={ca}&host=other.example.com&hostaddr=127.0.0.1", "is for another host"),
        ("sslmode=verify-full&sslrootcert={ca}", ""),
        ("sslmode=verify-ca&sslrootcert={ca}&host=other.example.com&hostaddr=127.0.0.1", ""),
    ],
)
async def test_only_a_trusted_certificate_receives_balances(
    server: tuple[PostgresServer, int], certificate: Path, options: str, text: str
) -> None:
    _, port = server
    named = f"postgresql://postgres@127.0.0.1:{port}/postgres?{options.format(ca=certificate / 'certificate.pem')}"
    sink = Postgres(named, "oddaemon", SECONDS)
    if text:
        assert text in await get_delivery_error(sink)
    else:
        await sink.deliver(make_payload(1), "d1")
    await sink.aclose()
