"""A database that cannot be opened: each error says what is wrong and what to do, and nothing of the password."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import pytest

from oddaemon.store import offices
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseLost, DatabaseUnusable, StoreError
from oddaemon.store.opening import open_database, open_for_reading
from oddaemon.store.postgresql import connecting
from oddaemon.store.postgresql.connecting import ServerFacts, build_conninfo, parse_url, require_usable
from oddaemon.store.postgresql.connection import PostgresDatabase
from tests.golden import GoldenTexts
from tests.ports import reserved_port
from tests.postgres_server import PostgresServer, running_server
from tests.store.postgresql.engines import needs_postgresql
from tests.store.samples import NOW

pytestmark = needs_postgresql
PASSWORD = "planted-password"
HIDDEN = ("planted", "DETAIL", "FATAL", "LINE 1", "FROM", "CREATE TABLE")


async def get_refusal(url: str, *, is_for_writing: bool = True) -> StoreError:
    with pytest.raises(StoreError) as caught:
        async with open_database(url) if is_for_writing else open_for_reading(url):
            pass
    assert not isinstance(caught.value, DatabaseLost), "nothing was there that could be lost"
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(text in str(caught.value) for text in HIDDEN)
    assert PASSWORD not in shown
    return caught.value


def hide(error: StoreError, server: PostgresServer) -> str:
    return str(error).replace(str(server.port), "PORT").replace(str(server.directory), "DIR")


@pytest.fixture
def own(server: PostgresServer) -> Iterator[str]:
    """The name of an empty database, owned by a role of the same name that must give its password."""
    server.execute("CREATE ROLE own LOGIN")
    server.execute("CREATE DATABASE own OWNER own")
    yield "own"
    server.execute("DROP DATABASE own WITH (FORCE)")
    server.execute("DROP ROLE own")


async def test_a_wrong_password(server: PostgresServer, golden: GoldenTexts) -> None:
    server.create_user("secretive", "right")
    error = await get_refusal(f"postgresql://secretive:{PASSWORD}@127.0.0.1:{server.port}/postgres")
    golden.check(hide(error, server))
    assert error.is_transient, "the password may be set on the server"
    error = await get_refusal(f"postgresql://stranger:{PASSWORD}@127.0.0.1:{server.port}/postgres")
    golden.check(hide(error, server))


async def test_no_such_database(server: PostgresServer, golden: GoldenTexts) -> None:
    golden.check(hide(await get_refusal(server.make_url(database="missing")), server))


async def test_no_server_and_no_socket(server: PostgresServer, tmp_path: Path, golden: GoldenTexts) -> None:
    with reserved_port() as port:
        error = await get_refusal(f"postgresql://me@127.0.0.1:{port}/x")
    golden.check(str(error).replace(str(port), "PORT"))
    golden.check(str(await get_refusal(f"postgresql://me@/x?host={tmp_path}")).replace(str(tmp_path), "DIR"))
    assert server.port


async def test_a_name_that_cannot_be_resolved(golden: GoldenTexts) -> None:
    golden.check(str(await get_refusal("postgresql://me@nowhere.invalid/x")))


async def test_a_server_that_accepts_and_says_nothing(golden: GoldenTexts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connecting._NETWORK_PARAMETERS, "connect_timeout", "2")  # libpq's smallest
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with anyio.fail_after(8):
            error = await get_refusal(f"postgresql://me@127.0.0.1:{port}/x")
    golden.check(str(error).replace(str(port), "PORT"))


async def test_what_is_no_postgresql(golden: GoldenTexts) -> None:
    async def answer(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.receive()
            await client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.start_soon(listener.serve, answer)
        golden.check(str(await get_refusal(f"postgresql://me@127.0.0.1:{port}/x")).replace(str(port), "PORT"))
        tasks.cancel_scope.cancel()


async def test_no_connection_left(server: PostgresServer, own: str, golden: GoldenTexts) -> None:
    server.execute("ALTER ROLE own CONNECTION LIMIT 3")
    golden.check(hide(await get_refusal(server.make_url(own, own)), server))


async def test_a_role_without_rights(server: PostgresServer, own: str, golden: GoldenTexts) -> None:
    server.execute("CREATE ROLE guest LOGIN")
    golden.check(hide(await get_refusal(server.make_url("guest", own)), server))
    async with open_database(server.make_url(own, own)):
        pass
    golden.check(hide(await get_refusal(server.make_url("guest", own)), server))
    golden.check(hide(await get_refusal(server.make_url("guest", own), is_for_writing=False), server))
    server.execute("GRANT SELECT ON alembic_version, compatibility TO guest", own)
    async with open_for_reading(server.make_url("guest", own)) as database:
        with pytest.raises(DatabaseUnusable) as caught:
            await offices.list_all(database)
    golden.check(hide(caught.value, server))


async def test_a_schema_that_does_not_exist(server: PostgresServer, own: str, golden: GoldenTexts) -> None:
    url = f"{server.make_url(own, own)}?options=-c%20search_path%3Dnowhere"
    golden.check(hide(await get_refusal(url), server))


async def test_another_program_s_database_and_one_schema_of_it(
    server: PostgresServer, own: str, golden: GoldenTexts
) -> None:
    server.execute("CREATE TABLE invoice (number int)", own)
    golden.check(hide(await get_refusal(server.make_url(own, own)), server))
    server.execute("CREATE TABLE alembic_version (version_num text)", own)
    server.execute("INSERT INTO alembic_version VALUES ('0004')", own)
    golden.check(hide(await get_refusal(server.make_url(own, own)), server))
    server.execute("CREATE SCHEMA oddaemon AUTHORIZATION own", own)
    url = f"{server.make_url(own, own)}?options=-c%20search_path%3Doddaemon"
    for is_new in (True, False):
        async with open_database(url) as database:
            assert database.open_result.is_new == is_new
    assert server.execute("SELECT count(*) FROM oddaemon.office", own) == [(0,)]


async def test_an_encoding_that_cannot_hold_every_name(server: PostgresServer, golden: GoldenTexts) -> None:
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    golden.check(hide(await get_refusal(server.make_url(database="latin")), server))


async def test_a_database_that_is_read_only(server: PostgresServer, own: str, golden: GoldenTexts) -> None:
    async with open_database(server.make_url(own, own)):
        pass
    server.execute("ALTER DATABASE own SET default_transaction_read_only = on")
    golden.check(hide(await get_refusal(server.make_url(own, own)), server))
    async with open_for_reading(server.make_url(own, own)):
        pass


def test_a_server_that_is_too_old(golden: GoldenTexts) -> None:
    facts = ServerFacts(13, "UTF8", is_standby=False, is_read_only=False, timeline=1, schema="public", started_at=NOW)
    with pytest.raises(StoreError) as caught:
        require_usable(facts, "db.example.com/oddaemon", is_for_writing=True)
    golden.check(str(caught.value))


async def test_a_url_that_is_none(golden: GoldenTexts) -> None:
    golden.check(str(await get_refusal(f"postgresql://me:{PASSWORD}@db.example.com:port/x")))
    error = await get_refusal(f"postgresql://me:{PASSWORD}@127.0.0.1/x?sslmode=verify-full&sslrootcert=/nowhere/ca.pem")
    golden.check(str(error))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://db.example.com/x", ("verify-full", "any")),
        ("postgresql://10.0.0.7/x", ("prefer", "any")),
        ("postgresql://10.0.0.7,10.0.0.8/x", ("prefer", "read-write")),
        ("postgresql://a.example.com,10.0.0.8/x", ("verify-full", "read-write")),
        ("postgresql://10.0.0.7/x?sslmode=require&target_session_attrs=primary", ("require", "primary")),
    ],
)
def test_a_server_that_is_not_next_door_must_prove_who_it_is(url: str, expected: tuple[str, str]) -> None:
    given = dict(each.split("=", 1) for each in build_conninfo(parse_url(url), "x", is_for_writing=True).split())
    assert (given["sslmode"], given["target_session_attrs"]) == expected
    assert (given["connect_timeout"], given["tcp_user_timeout"], given["application_name"]) == ("3", "5000", "x")


async def test_a_standby_can_be_read_and_once_promoted_written(
    server: PostgresServer, own: str, golden: GoldenTexts
) -> None:
    """Takes seconds: the server is copied."""
    async with PostgresDatabase.open(server.make_url(own, own)) as primary:
        with server.standby(synchronous=True) as standby:
            url = standby.make_url(own, own)
            golden.check(hide(await get_refusal(url), standby))
            both = f"postgresql://own@127.0.0.1:{standby.port},127.0.0.1:{server.port}/own"
            async with PostgresDatabase.open(both) as found, PostgresDatabase.open_for_reading(url) as reader:
                assert (found.facts.is_standby, reader.facts.is_standby, reader.timeline) == (False, True, 0)
            await anyio.to_thread.run_sync(standby.promote)
            async with PostgresDatabase.open(url) as promoted:
                assert promoted.timeline == primary.timeline + 1
        server.execute("ALTER SYSTEM RESET synchronous_standby_names")
        server.execute("SELECT pg_reload_conf()")


async def test_connections_that_reach_different_servers(server: PostgresServer, golden: GoldenTexts) -> None:
    def make_url(port: int | None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port}/postgres"

    with running_server(has_port=True) as other:
        for port in (server.port, other.port):
            async with open_database(make_url(port)):
                pass
        both = f"127.0.0.1:{server.port},127.0.0.1:{other.port}"
        error = None
        for _ in range(50):  # each connection goes to either: all to the same once in eight times
            try:
                async with open_database(f"postgresql://postgres@{both}/postgres?load_balance_hosts=random"):
                    pass
            except StoreError as refused:
                error = refused
                break
    assert error is not None
    assert error.is_transient
    golden.check(hide(error, server).replace(str(other.port), "PORT"))


async def test_only_a_trusted_certificate_for_the_named_host_is_accepted(
    certificate: Path, golden: GoldenTexts
) -> None:
    with running_server(has_port=True) as server:
        await anyio.to_thread.run_sync(server.use_tls, certificate)
        ca = certificate / "certificate.pem"
        for options in (
            "sslmode=verify-full",
            f"sslmode=verify-full&sslrootcert={ca}&host=other.example.com&hostaddr=127.0.0.1",
        ):
            error = await get_refusal(f"{server.make_url()}?{options}")
            golden.check(hide(error, server))
        async with open_database(f"{server.make_url()}?sslmode=verify-full&sslrootcert={ca}") as database:
            query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert await database.fetch(make_statement(query), {}, tuple) == [(True,)]


async def test_a_server_without_tls_is_refused_where_it_is_required(
    server: PostgresServer, golden: GoldenTexts
) -> None:
    golden.check(hide(await get_refusal(f"{server.make_url()}?sslmode=require"), server))
