"""What a real server says of its standbys, to a role that may see them and to one that may not."""

from collections.abc import AsyncIterator, Iterator

import pytest

from oddaemon.core.fleet.overview import Replication
from oddaemon.store.database import Database
from oddaemon.store.fleet.overview import read_replication
from oddaemon.store.opening import open_for_reading
from tests.postgres_server import PostgresServer, running_server
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql

pytestmark = needs_postgresql


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the database is a real one."""
    return "asyncio"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One for each test: without its standby a synchronous one would wait for ever."""
    with running_server() as server:
        server.create_user("plain", "hunter2")
        yield server


@pytest.fixture
async def database(server: PostgresServer) -> AsyncIterator[Database]:
    async with open_database(server.make_dsn()) as database:
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
        yield database


async def test_a_server_alone_has_no_standby_and_no_lag(database: Database) -> None:
    assert await read_replication(database) == Replication()


async def test_a_standby_that_no_commit_waits_for_is_asynchronous(database: Database, server: PostgresServer) -> None:
    with server.standby(synchronous=False):
        found = await read_replication(database)
        assert (found.standbys, found.is_synchronous) == (1, False)
        assert found.lag_seconds is not None
        async with open_for_reading(server.make_dsn(user="plain:hunter2")) as plain:
            assert await read_replication(plain) == Replication(1, is_synchronous=False, lag_seconds=None)


async def test_a_standby_that_commits_wait_for_is_synchronous(database: Database, server: PostgresServer) -> None:
    with server.standby(synchronous=True):
        assert (await read_replication(database)).is_synchronous
