from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices
from tests.store.samples import OFFICES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oddaemon.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, OFFICES)
        yield database
