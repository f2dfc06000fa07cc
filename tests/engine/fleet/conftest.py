from collections.abc import Iterator

import pytest

from tests.postgres_server import running_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Where a real PostgreSQL can be reached."""
    with running_server() as server:
        yield server.make_dsn()


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the database is a real one."""
    return "asyncio"
