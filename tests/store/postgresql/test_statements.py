"""Each statement of the tables' modules is one that SQLite and PostgreSQL accept, on the tables of `schema`."""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType

import psycopg
import pytest
from sqlalchemy import Dialect as DriverDialect
from sqlalchemy import TextClause, create_engine
from sqlalchemy.dialects.postgresql import psycopg as postgresql_driver
from sqlalchemy.dialects.sqlite import pysqlite

import oddaemon.store
import oddaemon.store.history
from oddaemon.store.dialect import Dialect, DialectStatement
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.dialect import DIALECT as POSTGRESQL
from oddaemon.store.schema import metadata
from oddaemon.store.sqlite.dialect import DIALECT as SQLITE
from tests.store.postgresql.engines import on_postgresql

SQLITE_WORDS = re.compile(r"json_each|json_group_array|json_array|\?\d|exec_driver_sql|PRAGMA|rowid", re.IGNORECASE)
CONDITIONS = ("NOT EXISTS", "delivery.state")
"""Parts of statements."""
POSTGRESQL_DRIVER = postgresql_driver.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own


def list_modules() -> Iterator[ModuleType]:
    for package in (oddaemon.store, oddaemon.store.history):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not found.ispkg and found.name != "oddaemon.store.schema":
                yield importlib.import_module(found.name)


STATEMENTS = {
    f"{module.__name__.removeprefix('oddaemon.store.')}.{name}": value
    for module in list_modules()
    for name, value in vars(module).items()
    if isinstance(value, DialectStatement) or (isinstance(value, TextClause) and not value.text.startswith(CONDITIONS))
}


def write(statement: TextClause | DialectStatement, dialect: Dialect, driver: DriverDialect) -> str:
    """The statement as it is sent, with a list of one item where SQLAlchemy writes its items."""
    written = statement if isinstance(statement, TextClause) else statement.render(dialect)
    values = {name: ["x"] if parameter.expanding else None for name, parameter in written._bindparams.items()}
    return str(written.bindparams(**values).compile(dialect=driver, compile_kwargs={"render_postcompile": True}))


def test_the_statements_are_found() -> None:
    assert {name.split(".")[0] for name in STATEMENTS} > {"snapshots", "outbox", "journal", "retention", "payloads"}


def test_a_statement_is_rendered_once_for_each_dialect() -> None:
    statement = DialectStatement(lambda dialect: f"SELECT {dialect.measure_json('x')}")
    assert statement.render(SQLITE) is statement.render(SQLITE)
    assert str(statement.render(SQLITE)) != str(statement.render(POSTGRESQL))


@pytest.mark.parametrize("module", list(list_modules()), ids=lambda module: module.__name__.rpartition(".")[2])
def test_no_module_of_the_tables_speaks_sqlite(module: ModuleType) -> None:
    assert module.__loader__ is not None
    source = module.__loader__.get_source(module.__name__)  # type: ignore[attr-defined]  # a file has one
    assert not SQLITE_WORDS.findall(re.sub(r"make_json_\w+", "", source))


@pytest.mark.parametrize("name", STATEMENTS)
def test_sqlite_accepts_the_statement(name: str) -> None:
    sql = write(STATEMENTS[name], SQLITE, pysqlite.dialect())
    with closing(sqlite3.connect(":memory:")) as connection:
        engine = create_engine("sqlite://", creator=lambda: connection)
        metadata.create_all(engine)
        connection.execute(f"EXPLAIN {sql}", [None] * sql.count("?"))
        engine.dispose()


@on_postgresql
async def test_postgresql_accepts_every_statement(database: PostgresDatabase) -> None:
    refused = {}
    for number, (name, statement) in enumerate(STATEMENTS.items()):
        names: list[str] = []
        sql = re.sub(
            r"%\((\w+)\)s",
            lambda found: f"${_find_or_append(names, found[1])}",  # noqa: B023 - called at once
            write(statement, POSTGRESQL, POSTGRESQL_DRIVER),
        )
        try:
            await database.keeper.driver.execute(f"PREPARE statement_{number} AS {sql}".encode())
        except psycopg.Error as error:
            refused[name] = str(error)
    assert refused == {}


def _find_or_append(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name) + 1
