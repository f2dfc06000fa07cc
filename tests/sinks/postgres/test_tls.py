"""TLS to a real server: only a certificate that is trusted, for the host that the DSN names, receives balances."""

import os
import pwd
import shutil
import socket
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
    with running_server() as server, socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
        free.close()
        server.kill()
        for name in ("certificate.pem", "key.pem"):
            own = server.directory / name
            shutil.copy(certificate / name, own)
            own.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(own, pwd.getpwnam("postgres").pw_uid)
        with (server.directory / "data" / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\n")
            file.write(f"ssl_cert_file = '{server.directory}/certificate.pem'\n")
            file.write(f"ssl_key_file = '{server.directory}/key.pem'\n")
        server.start()
        yield server, port


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
