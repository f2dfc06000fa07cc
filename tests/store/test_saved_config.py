"""What the configuration wants is put on record as a whole."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy.exc import DBAPIError

from oddaemon.store import offices, snapshots
from oddaemon.store.errors import StoreError
from oddaemon.store.offices import save_config
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.filled_database import make_true_snapshot
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_state

NAMES = {each.id: each.name for each in OFFICES}


async def read_wanted(database: AnyDatabase) -> dict[str, bool]:
    return {row.id: row.is_configured for row in await offices.list_all(database)}


async def test_offices_and_their_sinks_are_recorded_together(database: AnyDatabase) -> None:
    await save_config(database, NAMES, {"lake": [ELM]}, NOW)
    assert await read_wanted(database) == {ELM: True, HARBOR: True}
    await save_config(database, {ELM: NAMES[ELM]}, {}, NOW)
    assert await read_wanted(database) == {ELM: True, HARBOR: False}


async def test_if_the_sinks_cannot_be_recorded_no_office_is_either(database: SqliteDatabase) -> None:
    await save_config(database, NAMES, {}, NOW)
    await snapshots.publish(database, ELM, make_true_snapshot(make_balances(2)), make_state(), NOW)
    await save_config(database, NAMES, {"lake": [ELM]}, NOW)
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TRIGGER broken BEFORE DELETE ON delivery BEGIN SELECT RAISE(ABORT, 'no'); END")
        connection.commit()
    with pytest.raises((StoreError, DBAPIError)):
        await save_config(database, {"oak": "Oak"}, {}, NOW)
    assert await read_wanted(database) == {ELM: True, HARBOR: True}, "neither enrolled nor marked"
