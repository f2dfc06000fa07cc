"""What the tests of a fleet do to a server is what happens to it."""

import time
from collections.abc import Iterator
from typing import Literal

import psycopg
import pytest

from tests.postgres_server import PostgresServer, find_missing_requirement, running_server

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_server(has_port=True) as server:
        yield server


def test_its_port_and_its_socket_lead_to_one_server(server: PostgresServer) -> None:
    for url in (server.make_url(), server.make_dsn()):
        with psycopg.connect(url) as connection:
            assert connection.execute("SHOW port").fetchone() == (str(server.port),)


def test_a_setting_is_in_force() -> None:
    with running_server(settings={"max_connections": "7"}) as server:
        assert server.execute("SHOW max_connections") == [("7",)]
        assert server.execute("SHOW listen_addresses") == [("",)]


def test_a_user_must_give_the_password(server: PostgresServer) -> None:
    server.create_user("keeper", "planted-password")
    for url in (server.make_url("keeper"), server.make_dsn(user="keeper")):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, password="other")
        psycopg.connect(url, password="planted-password").close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_commit_outlives_a_restart_and_a_connection_does_not(
    server: PostgresServer, mode: Literal["fast", "immediate"]
) -> None:
    server.execute("CREATE TABLE kept AS SELECT generate_series(1, 20000) AS number")
    server.execute("CHECKPOINT")
    server.execute("UPDATE kept SET number = number + 1")
    with psycopg.connect(server.make_url(), autocommit=True) as connection:
        server.restart(mode)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert server.execute("SELECT count(*), sum(number) FROM kept") == [(20_000, 200_030_000)]


def test_a_paused_server_answers_once_it_is_resumed(server: PostgresServer) -> None:
    with psycopg.connect(server.make_url(), autocommit=True) as connection:
        server.pause()
        connection.pgconn.send_query(b"SELECT 1")
        time.sleep(0.3)
        connection.pgconn.consume_input()
        assert connection.pgconn.is_busy()
        server.resume()
        result = connection.pgconn.get_result()
        assert result is not None
        assert result.get_value(0, 0) == b"1"
        connection.pgconn.get_result()


@pytest.mark.parametrize("synchronous", [True, False])
def test_a_standby_follows_and_is_promoted_to_a_new_timeline(server: PostgresServer, *, synchronous: bool) -> None:
    server.execute("CREATE TABLE kept (number int)")
    with server.standby(synchronous=synchronous) as follower:
        if not synchronous:
            position = server.execute("SELECT pg_current_wal_lsn()::text")[0][0]
            while not follower.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")[0][0]:
                time.sleep(0.05)
        server.execute("INSERT INTO kept VALUES (1)")
        if synchronous:
            server.kill()
        else:
            server.stop("fast")  # which sends the rest
        assert follower.execute("SELECT pg_is_in_recovery()") == [(True,)]
        follower.promote()
        assert follower.execute("INSERT INTO kept VALUES (2) RETURNING number") == [(2,)]
        assert follower.execute("SELECT count(*) FROM kept") == [(2,)]
        assert read_timeline(follower) == 2
        server.start()
        server.execute("ALTER SYSTEM RESET synchronous_standby_names")
        server.execute("SELECT pg_reload_conf()")
        assert read_timeline(server) == 1


def read_timeline(server: PostgresServer) -> int:
    return int(server.execute("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")[0][0], 16)
