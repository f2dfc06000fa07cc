import os
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.model import Balance, OfficeSpec
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, journal, offices, open_pulls, snapshots
from oddaemon.store.errors import DatabaseLocked, DatabaseMissing, DatabaseUnusable, OfficeUnknown
from oddaemon.store.journal import JournalEntry
from oddaemon.store.offices import list_office_tables
from oddaemon.store.schema import metadata
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.copy import get_size_bytes
from oddaemon.store.sqlite.maintenance import erase, vacuum
from oddaemon.store.sqlite.maintenance.erase import erase_and_verify, erase_office
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.golden import GoldenTexts
from tests.store.configured import enqueue, register_offices
from tests.store.filled_database import dump_database, make_true_snapshot
from tests.store.samples import HARBOR, NOW, make_checkpoint, make_state

LEAVING = OfficeSpec("cedar-grove-47", "Cedar Grove Planted Name")
STAYING = OfficeSpec(HARBOR, "Harbor Smiles")
CANARY = "planted-secret-of-cedar"
NOT_OF_OFFICES = {"maintenance", "sink", "member", "lease", "command", "compatibility"}
"""Tables that hold nothing of a single office, or, as those of a fleet, nothing in SQLite."""


def make_planted_balances(seed: int, guarantors: int = 300) -> list[Balance]:
    draw = random.Random(seed)
    return [
        Balance(7_000_000_000_000 + 3 * index, 5, *(draw.randrange(100_000, 2**40) for _ in range(7)))
        for index in range(guarantors)
    ]


async def fill_two_offices(path: Path, nights: int = 4) -> list[list[Balance]]:
    """Two offices with everything that can be stored of one, written, changed, deleted and written again."""
    planted_rows: list[list[Balance]] = []
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [LEAVING, STAYING])
        for night in range(nights):
            for office, seed in ((LEAVING, 1 + night), (STAYING, 100 + night)):
                rows = make_planted_balances(seed) if night % 2 else make_planted_balances(seed)[::2]
                snapshot = replace(make_true_snapshot(rows), aging_date=date(2026, 3, 1) + timedelta(days=night))
                published = await snapshots.publish(database, office.id, snapshot, make_state(), NOW)
                async with database.transaction() as connection:
                    key = 1 if office is LEAVING else 2
                    await enqueue(connection, key, published.id, "files", NOW)
                if office is LEAVING:
                    planted_rows.append(rows)
        await open_pulls.begin(database, LEAVING.id, make_planted_balances(50, 50), make_checkpoint(112))
        job = await backfill_jobs.get_or_create(
            database, BackfillTarget(LEAVING.id, date(2025, 1, 1), query=CANARY), NOW
        )
        await backfilled_days.publish(
            database,
            job,
            BackfillResult(make_planted_balances(60), compute_totals(make_planted_balances(60)), 3),
            NOW,
        )
        await backfill_jobs.get_or_create(database, BackfillTarget(LEAVING.id, date(2025, 1, 2), query=CANARY), NOW)
        insert = "INSERT INTO journal (office, at, level, event, fields) VALUES (1, ?, 'info', 'x', ?)"
        await database.execute_one(insert, ("2026-03-02T00:00:00.000000Z", CANARY))
    planted_rows += [make_planted_balances(50, 50), make_planted_balances(60)]
    return planted_rows


def list_siblings(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir()]


def read_database_bytes(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")) if each.suffix != ".lock")


def encode_integer(value: int) -> bytes:
    """As SQLite stores a large integer; written here again, as the accused must not be its own witness."""
    for size in (1, 2, 3, 4, 6, 8):
        if -(2 ** (8 * size - 1)) <= value < 2 ** (8 * size - 1):
            return value.to_bytes(size, "big", signed=True)
    raise AssertionError(value)


def find_traces(path: Path, planted_rows: list[list[Balance]]) -> list[bytes]:
    wanted = [LEAVING.id.encode(), LEAVING.name.encode(), CANARY.encode()]
    wanted += [encode_integer(row.bal_total) for rows in planted_rows for row in rows]
    wanted += [str(row.bal_total).encode() for rows in planted_rows for row in rows]
    content = read_database_bytes(path)
    return [each for each in wanted if len(each) >= 5 and each in content]


async def test_no_byte_of_it_is_left_and_the_others_are_whole(path: Path) -> None:
    planted_rows = await fill_two_offices(path)
    assert len(find_traces(path, planted_rows)) > 1000
    staying = [line for line in dump_database(path) if "VALUES(2," in line and '"balance"' in line]
    assert staying
    done = await erase_and_verify(str(path), LEAVING.id)
    assert find_traces(path, planted_rows) == []
    assert (done.found_after, done.found_before) == (0, done.pattern_count)
    assert done.pattern_count > 100
    assert {"snapshot": 4, "journal": 1, "backfill": 2, "delivery": 4, "office": 1}.items() <= done.rows.items()
    assert [line for line in dump_database(path) if "VALUES(2," in line and '"balance"' in line] == staying
    assert verify(path).problems == []
    assert (verify(path).offices, verify(path).snapshots) == (1, 4)


async def test_what_earlier_deletions_left_goes_too(path: Path) -> None:
    planted_rows = await fill_two_offices(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Some builds of SQLite write zeros by themselves.
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM pull_page")
    assert any(str(row.bal_total).encode() in read_database_bytes(path) for row in planted_rows[-2])
    await erase_and_verify(str(path), LEAVING.id)
    assert find_traces(path, planted_rows) == []


async def test_a_proof_that_finds_something_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill_two_offices(path)

    async def lazily(_database: SqliteDatabase) -> None:
        """Neither a VACUUM nor zeros."""

    monkeypatch.setattr(erase, "vacuum", lazily)
    monkeypatch.setattr(erase, "SECURE_DELETE", "PRAGMA secure_delete = OFF")
    assert (await erase_and_verify(str(path), LEAVING.id)).found_after > 0


async def test_the_same_practice_under_another_id_is_no_trace_of_it(path: Path) -> None:
    """Its families have rolled on since, and its past days tell less than its nights."""
    rows = [
        Balance(1, 0, 400_001, 400_001, 0, 0, 0, 300_002, 400_001),
        Balance(2, 5, 700_003, 500_004, 200_005, 0, 0, 0, 700_003),
        Balance(3, 5, 800_006, 500_007, 300_008, 0, 0, 0, 800_006),
    ]
    rolled = [
        rows[0]._replace(bal_0_30=0, bal_31_60=400_001),
        rows[1]._replace(bal_0_30=0, bal_31_60=500_004, bal_61_90=200_005),
    ]
    less = [Balance(4, 0, 0, 600_009, 100_010, 0, 0, 400_011, 700_012)]
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [LEAVING, STAYING])
        whole = less[0]._replace(clinic_num=5, est_balance=900_013)
        for office, nightly, past in ((LEAVING, rows, less), (STAYING, [*rolled, whole], [rows[2]])):
            await snapshots.publish(database, office.id, make_true_snapshot(nightly), make_state(), NOW)
            job = await backfill_jobs.get_or_create(database, BackfillTarget(office.id, date(2025, 1, 1)), NOW)
            await backfilled_days.publish(database, job, BackfillResult(past, compute_totals(past), 3), NOW)
    done = await erase_and_verify(str(path), LEAVING.id)
    assert (done.pattern_count, done.found_after) == (1, 0)


async def test_a_run_that_was_interrupted_is_done_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted_rows = await fill_two_offices(path)

    async def interrupt(_database: SqliteDatabase) -> None:
        raise InterruptedError

    monkeypatch.setattr(erase, "vacuum", interrupt)
    with pytest.raises(InterruptedError):
        await erase_and_verify(str(path), LEAVING.id)
    monkeypatch.undo()
    await erase_and_verify(str(path), LEAVING.id)
    assert find_traces(path, planted_rows) == []


async def test_an_erasure_that_cannot_rewrite_the_file_says_what_is_left_and_is_done_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    planted_rows = await fill_two_offices(path)

    async def fill_disk(_database: SqliteDatabase) -> None:
        raise DatabaseUnusable("The disk is full.", "Free some space.", is_transient=True)

    monkeypatch.setattr(erase, "vacuum", fill_disk)
    with pytest.raises(DatabaseUnusable) as caught:
        await erase_and_verify(str(path), LEAVING.id)
    golden.check(caught.value.what)
    assert "`oddaemon office forget` again" in caught.value.advice
    monkeypatch.undo()
    assert (await erase_and_verify(str(path), LEAVING.id)).found_after == 0
    assert find_traces(path, planted_rows) == []


async def test_an_erasure_whose_log_a_reader_keeps_says_how_to_finish_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted_rows = await fill_two_offices(path)

    async def be_blocked(_database: SqliteDatabase) -> None:
        raise DatabaseUnusable("The log cannot be truncated.", "Close the reader.", is_transient=True)

    monkeypatch.setattr(erase, "truncate_wal", be_blocked)
    with pytest.raises(DatabaseUnusable) as caught:
        await erase_and_verify(str(path), LEAVING.id)
    assert "run `oddaemon state vacuum`" in caught.value.advice
    # The office is not known any more, so that it cannot be forgotten again.
    assert "forget" not in caught.value.advice
    async with SqliteDatabase.open(str(path)) as database:
        await vacuum.vacuum(database)
    assert find_traces(path, planted_rows) == []


async def test_without_room_for_two_copies_not_a_row_is_deleted(
    path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    await fill_two_offices(path)
    before, size = dump_database(path), get_size_bytes(path)
    disk = os.statvfs(path.parent)
    free = os.statvfs_result((1, 1, *disk[2:4], size * 3 // 2, *disk[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: free)
    with pytest.raises(DatabaseUnusable) as caught:
        await erase_and_verify(str(path), LEAVING.id)
    golden.check(caught.value)
    assert dump_database(path) == before


@pytest.mark.parametrize(
    ("leaving", "staying"),
    [
        (OfficeSpec("a", "a"), OfficeSpec("aa-dental", "Aaron")),
        (OfficeSpec("elm-street", "Elm Street"), OfficeSpec("north-elm-street", "Elm Street Dental")),
    ],
)
async def test_a_text_of_another_office_is_no_trace(path: Path, leaving: OfficeSpec, staying: OfficeSpec) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [leaving, staying])
    done = await erase_and_verify(str(path), leaving.id)
    assert (done.rows, done.found_after) == ({"office": 1}, 0)


@pytest.mark.real("waits for the lock time-out of SQLite in real time")
async def test_a_reader_that_keeps_the_log_alive_is_reported_and_nothing_is_erased(path: Path) -> None:
    planted_rows = await fill_two_offices(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM balance").fetchall()
        with pytest.raises(DatabaseUnusable) as caught:
            await erase_and_verify(str(path), LEAVING.id)
        assert caught.value.is_transient
    await erase_and_verify(str(path), LEAVING.id)
    assert find_traces(path, planted_rows) == []


async def test_what_is_not_there_cannot_be_forgotten(path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        await erase_and_verify(str(path), LEAVING.id)
    assert list_siblings(path) == []
    await fill_two_offices(path, nights=1)
    with pytest.raises(OfficeUnknown):
        await erase_and_verify(str(path), "elsewhere")


async def test_beside_a_daemon_nothing_is_touched(path: Path) -> None:
    await fill_two_offices(path, nights=1)
    before = dump_database(path)
    async with SqliteDatabase.open(str(path)):
        with pytest.raises(DatabaseLocked):
            await erase_and_verify(str(path), LEAVING.id)
    assert dump_database(path) == before


async def test_an_office_of_which_little_is_known_is_forgotten_too(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [LEAVING])
    done = await erase_and_verify(str(path), LEAVING.id)
    assert done.rows == {"office": 1}
    assert (done.found_before, done.found_after) == (1, 0)


async def test_others_go_on_writing_and_what_is_stored_of_it_meanwhile_goes_too(path: Path) -> None:
    planted_rows = await fill_two_offices(path)
    line = JournalEntry(LEAVING.id, NOW, "info", "x", {"text": CANARY})
    rows: dict[str, int] = {}
    async with SqliteDatabase.open(str(path)) as database:
        ((before,),) = await database.execute_one("PRAGMA secure_delete")

        async def write() -> None:
            while not rows:
                await journal.append(database, [line], 1000)
                await offices.save_state(database, STAYING.id, make_state())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            rows |= await erase_office(database, LEAVING.id)
        assert await database.execute_one("PRAGMA secure_delete") == [(before,)]
        await journal.append(database, [line], 1000)
        with pytest.raises(OfficeUnknown):
            await erase_office(database, LEAVING.id)
    assert rows["journal"] > 1
    assert find_traces(path, planted_rows) == []
    assert verify(path).problems == []


def test_every_table_that_there_is_is_thought_of() -> None:
    names = [table.name for table in list_office_tables()]
    assert {*names, *NOT_OF_OFFICES} == metadata.tables.keys()
    for child, parent in (("historical_balance", "historical_snapshot"), ("backfill_page", "backfill")):
        assert names.index(child) < names.index(parent)
    assert names[-1] == "office"
