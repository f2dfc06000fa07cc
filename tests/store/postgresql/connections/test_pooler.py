"""A pooler that gives each statement another session would lose settings, notifications and locks: it is found out."""

import anyio
import anyio.abc
import psycopg
import pytest

from oddaemon.store.errors import DatabaseUnusable, StoreError
from oddaemon.store.offices import list_all
from oddaemon.store.opening import open_database, open_for_reading, open_history
from tests.golden import GoldenTexts
from tests.postgres_server import PostgresServer
from tests.store.postgresql.connections.pooler import PROGRAM, running_pooler
from tests.store.postgresql.engines import needs_postgresql

pytestmark = [
    *needs_postgresql,
    pytest.mark.skipif(PROGRAM is None, reason="no PgBouncer here (Debian: apt-get install pgbouncer)"),
]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_shares_sessions_is_refused(mode: str, server: PostgresServer, golden: GoldenTexts) -> None:
    async with open_database(server.make_url()):
        pass
    with running_pooler(server, mode) as url:
        with pytest.raises(DatabaseUnusable) as caught:
            async with open_database(url):
                pass
        port = url.rpartition(":")[2].partition("/")[0]
        golden.check(str(caught.value).replace(port, "PORT"))
        assert not caught.value.is_transient
        with pytest.raises(DatabaseUnusable), open_history(url):
            pass
        with pytest.raises(DatabaseUnusable):
            async with open_for_reading(url):
                pass
        # A session of the pooler's is another client's next: nothing was set in it.
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None) as other:
            cursor = await other.execute("SELECT current_setting('statement_timeout'), current_setting('jit')")
            assert await cursor.fetchone() == ("0", "on")


async def test_it_is_found_out_beside_other_clients_of_the_pooler(server: PostgresServer) -> None:
    async with open_database(server.make_url()):
        pass
    with running_pooler(server, "transaction") as url:
        refused = 0

        async def open_once(*, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            nonlocal refused
            task_status.started()
            try:
                async with open_database(url):
                    pass
            except StoreError:
                refused += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                await tasks.start(open_once)
        assert refused == 3


async def test_a_pooler_that_gives_each_client_a_session_will_do(server: PostgresServer) -> None:
    with running_pooler(server, "session") as url:
        async with open_database(url) as database, open_for_reading(url) as reader:
            with open_history(url):
                pass
            assert await list_all(database) == await list_all(reader)
