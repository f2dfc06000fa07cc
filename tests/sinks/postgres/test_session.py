"""What a connection is made of: the DSN alone, never the environment or the home directory."""

import os
from pathlib import Path

import pytest

from oddaemon.core.dsn import parse_dsn
from oddaemon.core.failures.failure import FailureKind
from oddaemon.http_client.host_errors import find_host_failure
from oddaemon.postgres_client.parameters import build_parameters
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.postgres.sink import Postgres
from tests.exhaustion import exhausted_descriptors
from tests.hostile.postgres.server import HostilePostgres, make_good_answers, make_message
from tests.sinks.payloads import make_payload

VARIABLES = {
    "PGHOST": "/nowhere",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "stranger",
    "PGPASSWORD": "of-the-environment",
    "PGDATABASE": "other",
    "PGSERVICE": "other",
    "PGSERVICEFILE": "/nowhere/service.conf",
    "PGSYSCONFDIR": "/nowhere",
    "PGPASSFILE": "/nowhere/pass",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere/ca.pem",
    "PGSSLCERT": "/nowhere/own.pem",
    "PGSSLKEY": "/nowhere/own.key",
    "PGSSLCRL": "/nowhere/crl.pem",
    "PGSSLCERTMODE": "require",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv1",
    "PGGSSENCMODE": "require",
    "PGREQUIREAUTH": "gss",
    "PGREQUIREPEER": "stranger",
    "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGLOADBALANCEHOSTS": "random",
    "PGOPTIONS": "-c search_path=elsewhere",
    "PGAPPNAME": "stranger",
    "PGCLIENTENCODING": "LATIN1",
    "PGCONNECT_TIMEOUT": "-3",
    "PGTZ": "Nowhere/Land",
    "PGDATESTYLE": "German",
    "PGGEQO": "off",
    "PGMAXPROTOCOLVERSION": "3.99",
}


@pytest.mark.real("speaks to a server on a real socket")
async def test_no_variable_of_libpq_changes_a_byte_of_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def connect() -> list[bytes]:
        server = HostilePostgres(make_good_answers(make_payload()))
        async with server.listen() as port:
            sink = Postgres(f"postgresql://me:word@127.0.0.1:{port}/balances", "oddaemon", 20.0)
            await sink.deliver(make_payload(), "d1")
            await sink.aclose()
        return server.startups

    plain = await connect()
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pgpass").write_text("*:*:*:*:of-the-file\n")
    (tmp_path / ".pg_service.conf").write_text("[other]\nhost=/nowhere\n")
    assert await connect() == plain
    assert all(os.environ[name] == value for name, value in VARIABLES.items())


def test_every_parameter_that_a_file_of_the_home_directory_gives_is_explicit() -> None:
    parameters = build_parameters(parse_dsn("postgresql://me@localhost/balances"))
    for name in ("passfile", "sslcert", "sslkey", "sslcrl", "sslrootcert"):
        assert not Path(parameters[name]).exists()
    assert (parameters["gssencmode"], parameters["target_session_attrs"]) == ("disable", "any")
    assert (parameters["load_balance_hosts"], parameters["sslmode"]) == ("disable", "prefer")


@pytest.mark.parametrize("options", ["sslmode=verify-full", "sslmode=verify-ca&sslrootcert=system"])
def test_a_verified_server_is_verified_with_the_system_s_certificates(options: str) -> None:
    parameters = build_parameters(parse_dsn(f"postgresql://me@db.example.com/balances?{options}"))
    assert Path(parameters["sslrootcert"]).is_file() or not Path("/etc/ssl/certs/ca-certificates.crt").exists()
    assert parameters["sslmode"].startswith("verify-")


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid", "localhost/balances?host=/nowhere&port=9"])
async def test_a_connection_for_want_of_descriptors_is_ours_whatever_libpq_says(host: str) -> None:
    sink = Postgres(f"postgresql://me:word@{host}", "oddaemon", 20.0)
    with exhausted_descriptors(), pytest.raises(DeliveryFailed) as failed:
        await sink.deliver(make_payload(), "d1")
    ours = find_host_failure(failed.value)
    assert ours is not None
    assert ours.kind is FailureKind.FILES_EXHAUSTED
    with pytest.raises(DeliveryFailed) as failed:
        await sink.deliver(make_payload(), "d1")
    assert find_host_failure(failed.value) is None


@pytest.mark.parametrize("text", [b"Too many open files", b"Cannot allocate memory", b"out of memory"])
async def test_a_server_that_has_run_out_of_something_is_not_this_machine(text: bytes) -> None:
    server = HostilePostgres([make_message(b"E", b"SFATAL\0C53200\0M" + text + b"\0\0")])
    async with server.listen() as port:
        sink = Postgres(f"postgresql://me:word@127.0.0.1:{port}/balances", "oddaemon", 20.0)
        with pytest.raises(DeliveryFailed) as failed:
            await sink.deliver(make_payload(), "d1")
    assert "this machine" not in str(failed.value)
    assert find_host_failure(failed.value) is None
