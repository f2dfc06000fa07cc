"""The databases on which the tests of the tables' modules run."""

import pytest

from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.postgres_server import find_missing_requirement

AnyDatabase = SqliteDatabase | PostgresDatabase
"""A test whose `database` is one of these runs on each."""

needs_postgresql = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]
ENGINES = (
    pytest.param("sqlite", id=pytest.HIDDEN_PARAM),
    pytest.param("postgresql", marks=needs_postgresql),
)
on_postgresql = pytest.mark.parametrize("engine", ENGINES[1:])
