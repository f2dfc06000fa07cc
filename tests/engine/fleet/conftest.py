from collections.abc import Iterator

import pytest

from tests.postgres_server import running_server
from tests.store.postgresql.database import empty_database


@pytest.fixture(scope="session")
def fleet_server() -> Iterator[str]:
    with running_server() as server:
        yield server.make_dsn()


@pytest.fixture
async def postgresql(fleet_server: str) -> str:
    """Where a real PostgreSQL can be reached; its tables are empty."""
    await empty_database(fleet_server)
    return fleet_server


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the database is a real one."""
    return "asyncio"
