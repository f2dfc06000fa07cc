"""A small database with a past, and what a test asks of it."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from oddaemon.core.model import Balance, Snapshot
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import open_pulls, snapshots
from oddaemon.store.database import Database
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_checkpoint, make_snapshot, make_state

Dump = tuple[str, ...]


def make_true_snapshot(balances: Iterable[Balance], day: int = 1) -> Snapshot:
    """A snapshot whose control totals are those of its balances."""
    sample = make_snapshot(balances, day)
    return replace(sample, totals=compute_totals(sample.balances))


async def fill_database(database: Database, guarantors: int = 30) -> None:
    """One office with three snapshots (new, changed, cleared guarantors), another with one and an open pull."""
    await register_offices(database, OFFICES)
    first = list(make_balances(guarantors))
    second = [first[0]._replace(bal_total=-1), *first[2:], Balance(9999, 0, 1, 2, 3, 4, 5, 6, 7)]
    for day, rows in enumerate((first, second, first), start=1):
        await snapshots.publish(database, ELM, make_true_snapshot(rows, day), make_state(attempts=day), NOW)
    await snapshots.publish(database, HARBOR, make_true_snapshot(make_balances(guarantors, seed=2)), make_state(), NOW)
    await open_pulls.begin(database, HARBOR, make_balances(5), make_checkpoint(112))


async def make_filled_database(path: Path, guarantors: int = 30) -> None:
    """The same in a file that is not open."""
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database, guarantors)


def dump_database(path: Path) -> Dump:
    """Everything that is stored, as text; read by another connection, so only what is committed."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return tuple(connection.iterdump())
