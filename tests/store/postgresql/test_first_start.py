"""Several daemons meet an empty database at once, or one that a killed daemon has made in part."""

from collections.abc import Iterator

import anyio
import pytest

from oddaemon.store.postgresql import migration
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.schema import REVISIONS
from tests.postgres_server import PostgresServer, running_server
from tests.store.postgresql.engines import needs_postgresql

pytestmark = needs_postgresql


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_server(settings={"max_connections": "60"}) as server:
        yield server


@pytest.mark.parametrize("made", range(len(REVISIONS)))
async def test_a_database_that_was_made_in_part_is_completed(server: PostgresServer, made: int) -> None:
    for revision in REVISIONS[:made]:
        migration._make_revision(server.make_dsn(), REVISIONS, revision, migration.MIGRATIONS_LOCATION)
    async with PostgresDatabase.open(server.make_dsn()) as database:
        assert database.open_result.is_new == (made == 0)
    assert server.execute("SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]


async def test_daemons_that_start_at_once_make_it_together(server: PostgresServer) -> None:
    opened = []

    async def open_database() -> None:
        async with PostgresDatabase.open(server.make_dsn()):
            opened.append(server)

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(open_database)
            await anyio.sleep(0.1)
    assert len(opened) == 6
