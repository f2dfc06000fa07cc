"""The role of `deploy/postgresql/reader.sql` reads everything, in dollars, and writes nothing."""

import subprocess
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import anyio
import psycopg
import pytest

from oddaemon.api import open_database
from oddaemon.store.opening import open_database as open_for_writing
from tests.postgres_server import PROGRAMS, find_missing_requirement, running_server
from tests.store.filled_database import fill_database
from tests.store.samples import ELM

FILE = Path(__file__).parents[2] / "deploy" / "postgresql" / "reader.sql"
pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]


async def fill(url: str) -> None:
    async with open_for_writing(url) as database:
        await fill_database(database)


@pytest.fixture(scope="module")
def reader() -> Iterator[str]:
    """The URL of the role, on a database that the owner's daemon has filled."""
    with running_server() as server:
        server.execute("CREATE ROLE keeper LOGIN")
        server.execute("CREATE DATABASE aged OWNER keeper")
        anyio.run(fill, server.make_dsn(user="keeper", database="aged"))
        options = ("--no-psqlrc", "--quiet", f"--host={server.directory}", "--username=postgres", "--dbname=aged")
        for _ in range(2):  # a second time changes nothing
            subprocess.run([PROGRAMS[-1] / "psql", *options, "--set=owner=keeper", f"--file={FILE}"], check=True)
        yield server.make_dsn(user="oddaemon_reader", database="aged")


def test_it_reads_the_tables_and_the_views(reader: str) -> None:
    with psycopg.connect(reader, autocommit=True) as connection, open_database(reader) as fleet:
        totals: list[tuple[str, Decimal]] = connection.execute(
            "SELECT office, bal_total FROM oddaemon_views.fleet ORDER BY office"
        ).fetchall()
        assert totals == [(office.id, fleet.snapshot(office.id).bal_total) for office in fleet.offices()]
        today = connection.execute(
            "SELECT pat_num, bal_total FROM oddaemon_views.balances WHERE office = %s ORDER BY pat_num", (ELM,)
        ).fetchall()
        assert today == [(each.pat_num, each.bal_total) for each in fleet.balances(ELM)]
        for day in (1, 2, 3):
            then = connection.execute(
                "SELECT pat_num, bal_total FROM oddaemon_views.balances_of(%s, %s)", (ELM, date(2026, 3, day))
            ).fetchall()
            assert then == [(each.pat_num, each.bal_total) for each in fleet.balances(ELM, date(2026, 3, day))]
            assert isinstance(then[0][1], Decimal)
        ((nights,),) = connection.execute("SELECT count(*) FROM oddaemon_views.nights").fetchall()
        assert nights == 4


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM balance",
        "UPDATE office SET wanted = false",
        "CREATE TABLE public.own ()",
        "DROP VIEW oddaemon_views.fleet",
    ],
)
def test_it_writes_nothing_even_if_it_asks_to(reader: str, statement: str) -> None:
    with psycopg.connect(reader, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(statement.encode())
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_it_reads_tables_that_a_later_version_makes(reader: str) -> None:
    owner = reader.replace("oddaemon_reader", "keeper")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE later ()")
    with psycopg.connect(reader, autocommit=True) as connection:
        assert connection.execute("SELECT * FROM later").fetchall() == []
