from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest
from hypothesis import settings

from oddaemon.store.database import Database
from tests.properties.test_store_model import StoreAgainstDicts
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql


class PostgresqlAgainstDicts(StoreAgainstDicts):
    """The same on PostgreSQL; a restart is another connection."""

    dsn: ClassVar[str]

    def _connect(self) -> AbstractAsyncContextManager[Database]:
        return open_database(self.dsn, emptied=self._opened is None)


@pytest.fixture(autouse=True)
def connected(postgresql: str) -> None:
    PostgresqlAgainstDicts.dsn = postgresql


pytestmark = needs_postgresql
TestPostgresqlAgainstDicts = PostgresqlAgainstDicts.TestCase
TestPostgresqlAgainstDicts.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
