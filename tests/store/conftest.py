from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.postgres_server import running_server
from tests.store.configured import register_offices
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import ENGINES, AnyDatabase
from tests.store.samples import OFFICES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function.__annotations__.get("database") == AnyDatabase:
        metafunc.parametrize("engine", ENGINES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oddaemon.db"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Where a real PostgreSQL can be reached."""
    with running_server() as server:
        yield server.make_dsn()


@pytest.fixture
def engine() -> str:
    """What a test runs on that is about SQLite."""
    return "sqlite"


@pytest.fixture
def url(engine: str, path: Path, request: pytest.FixtureRequest) -> str:
    """Where the database is, as `[state] database` says it."""
    return str(path) if engine == "sqlite" else str(request.getfixturevalue("postgresql"))


@pytest.fixture
async def database(engine: str, url: str) -> AsyncIterator[AnyDatabase]:
    opened: AbstractAsyncContextManager[AnyDatabase] = (
        SqliteDatabase.open(url) if engine == "sqlite" else open_database(url)
    )
    async with opened as database:
        await register_offices(database, OFFICES)
        yield database
