"""The metadata file, as the real Datasette reads it, over a database as the daemon leaves it."""

import gc
import sqlite3
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from oddaemon.core.backfill import job as core
from oddaemon.core.model import MONEY_COLUMNS, Reader
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, offices, snapshots
from oddaemon.store.schema import metadata
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.filled_database import fill_database, make_true_snapshot
from tests.store.samples import ELM, NOW, make_balances, make_state

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # it opens databases as it is imported
    from datasette.app import Datasette  # type: ignore[import-untyped]  # it ships no types

    gc.collect()

# Datasette turns them on for the whole process as it is imported, other tests and all.
sqlite3.enable_callback_tracebacks(False)
FILE = Path(__file__).parents[2] / "deploy" / "datasette" / "metadata.yml"
METADATA: dict[str, Any] = yaml.safe_load(FILE.read_text())["databases"]["oddaemon"]
QUERY_PARAMETERS = {"office": ELM, "as_of": "", "aging_date": ""}


@pytest.fixture(autouse=True)
def closed_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Datasette leaves its connections to the garbage collector, and Python 3.13 warns of each."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connect_and_remember(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **{**options, "check_same_thread": False})
        connections.append(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_and_remember)
    yield
    for connection in connections:
        connection.close()


@pytest.fixture
async def datasette(tmp_path: Path) -> AsyncIterator[Datasette]:
    path = tmp_path / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        yield Datasette([str(path)], metadata=yaml.safe_load(FILE.read_text()))


async def fetch_rows(datasette: Datasette, query: str, **parameters: str) -> list[dict[str, Any]]:
    found = await datasette.client.get(
        f"/oddaemon/{query}.json", params={"_shape": "array", "_size": "max", **parameters}
    )
    assert found.status_code == 200, found.text
    answer: list[dict[str, Any]] = found.json()
    return answer


async def test_every_query_runs_and_shows_dollars(datasette: Datasette) -> None:
    for name, query in METADATA["queries"].items():
        parameters = {key: value for key, value in QUERY_PARAMETERS.items() if f":{key}" in query["sql"]}
        found = await fetch_rows(datasette, name, **parameters)
        assert found, name
        for row in found:
            for column in {name for name in row.keys() & set(MONEY_COLUMNS) if row[name] is not None}:
                assert row[column] == str(Decimal(row[column]).quantize(Decimal("0.01"))), (name, column)


async def test_any_day_reads_as_it_was_to_the_cent(datasette: Datasette) -> None:
    for day, wanted in ((1, make_balances(30)), (3, make_balances(30))):
        found = await fetch_rows(datasette, "balances", office=ELM, as_of=f"2026-03-0{day}")
        amounts = {row["pat_num"]: int(Decimal(row["bal_total"]).scaleb(2)) for row in found}
        assert amounts == {row.pat_num: row.bal_total for row in wanted}
    assert {row["pat_num"] for row in await fetch_rows(datasette, "balances", office=ELM, as_of="2026-03-02")} != set(
        amounts
    )


async def test_a_day_that_was_backfilled_reads_too_but_not_in_place_of_a_night(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        for day in (date(2025, 12, 31), date(2026, 3, 1)):
            job = await backfill_jobs.get_or_create(
                database, core.BackfillTarget(ELM, day, core.BackfillMethod.REPORT), NOW
            )
            past = make_balances(7, seed=4)
            await backfilled_days.publish(database, job, core.BackfillResult(past, compute_totals(past), 1), NOW)
    datasette = Datasette([str(path)], metadata=yaml.safe_load(FILE.read_text()))
    found = await fetch_rows(datasette, "balances", office=ELM, as_of="2025-12-31")
    assert {row["pat_num"] for row in found} == {row.pat_num for row in past}
    assert len(await fetch_rows(datasette, "balances", office=ELM, as_of="2026-03-01")) == 30
    assert await fetch_rows(datasette, "balances", office=ELM, as_of="2025-12-30") == []


async def test_missing_columns_are_null_and_not_zero(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.db"
    less = tuple(each._replace(clinic_num=0, est_balance=0) for each in make_balances(3))
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        reported = replace(make_true_snapshot(less, 5), reader=Reader.REPORT)
        await snapshots.publish(database, ELM, reported, make_state(), NOW)
        await snapshots.publish(database, ELM, make_true_snapshot(less, 6), make_state(), NOW)
        job = await backfill_jobs.get_or_create(
            database, core.BackfillTarget(ELM, date(2025, 12, 31), core.BackfillMethod.REPORT), NOW
        )
        await backfilled_days.publish(database, job, core.BackfillResult(less, compute_totals(less), 1), NOW)
    datasette = Datasette([str(path)], metadata=yaml.safe_load(FILE.read_text()))
    for day, wanted in (("2025-12-31", (None, None)), ("2026-03-05", (None, None)), ("2026-03-06", (0, "0.00"))):
        found = await fetch_rows(datasette, "balances", office=ELM, as_of=day)
        assert {(row["clinic_num"], row["est_balance"]) for row in found} == {wanted}, day
        assert {int(Decimal(row["bal_total"]).scaleb(2)) for row in found} == {each.bal_total for each in less}


async def test_changes_are_those_of_the_night(datasette: Datasette) -> None:
    found = await fetch_rows(datasette, "changes", office=ELM, aging_date="2026-03-02")
    assert [(row["change"], row["pat_num"]) for row in found] == [("changed", 100), ("cleared", 103), ("new", 9999)]


async def test_the_first_page_has_the_tables_of_people_and_hides_the_machine_s(datasette: Datasette) -> None:
    page = (await datasette.client.get("/oddaemon.json")).json()
    shown = {table["name"] for table in page["tables"] if not table["hidden"]}
    assert {"office", "snapshot", "balance"} <= shown
    assert not shown & {"alembic_version", "sqlite_sequence", "pull_page", "backfill_page"}
    assert {query["name"] for query in page["queries"]} == METADATA["queries"].keys()


async def test_every_page_of_a_table_opens(datasette: Datasette) -> None:
    for name in METADATA["tables"]:
        page = await datasette.client.get(f"/oddaemon/{name}")
        assert page.status_code == 200, name
    assert "cents" in (await datasette.client.get("/oddaemon/balance")).text


def test_it_names_only_tables_and_columns_that_there_are() -> None:
    for name, table in METADATA["tables"].items():
        if name not in {"alembic_version", "sqlite_sequence"}:
            columns = {column.name for column in metadata.tables[name].columns}
            assert table.get("columns", {}).keys() <= columns, name


async def test_it_shows_what_the_daemon_writes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        datasette = Datasette([str(path)], metadata=yaml.safe_load(FILE.read_text()))
        await snapshots.publish(database, ELM, make_true_snapshot(make_balances(2), 4), make_state(), NOW)
        assert len(await fetch_rows(datasette, "balances", office=ELM, as_of="")) == 2
        assert len(await offices.list_all(database)) == 2
