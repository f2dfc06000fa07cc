import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest
from anyio.abc import SocketAttribute

from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.postgres.schema import MIGRATIONS
from oddaemon.sinks.postgres.sink import Postgres, PostgresOptions
from tests.sinks.payloads import as_report, between, night, payload
from tests.sinks.postgres_server import Server, missing, passed_on, serving, through

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "all there"),
]
SECONDS = 60.0
HASTY_SECONDS = 4.0
MONEY = (
    "est_balance",
    "bal_0_30",
    "bal_31_60",
    "bal_61_90",
    "bal_over_90",
    "ins_est",
    "bal_total",
)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    """A schema of this test's own."""
    return "test_" + "".join(each if each.isalnum() else "_" for each in request.node.name.lower())[-50:]


def sink_to(server: Server, schema: str, **how: Any) -> Postgres:
    return Postgres(PostgresOptions(server.dsn(**how), schema, SECONDS))


async def fetched(server: Server, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(server.dsn())
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def held(server: Server, schema: str, office_id: str = "smile") -> list[tuple[Any, ...]]:
    columns = ", ".join(("pat_num", "clinic_num", *MONEY))
    return await fetched(
        server, f"SELECT {columns} FROM {schema}.balance WHERE office = '{office_id}' ORDER BY pat_num"
    )


def truth(number: int, guarantors: int = 30) -> list[tuple[Any, ...]]:
    return [(*row[:2], *(Decimal(cents) / 100 for cents in row[2:])) for row in night(number, guarantors)]


async def refusal_of(sink: Postgres, number: int = 1) -> str:
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(payload(number), f"d{number}")
    assert not caught.value.error.final
    return str(caught.value)


async def test_the_current_table_equals_the_snapshot_and_every_change_is_kept(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    for number in (1, 2, 3):
        await sink.deliver(payload(number), f"d{number}")
        assert await held(running, schema) == truth(number)
    other = payload(1, office_id="hill")
    await sink.deliver(other, "d4")
    assert await held(running, schema) == truth(3)
    await sink.aclose()
    kinds = await fetched(
        running,
        f"SELECT delivery_id, change, count(*) FROM {schema}.change WHERE office = 'smile' GROUP BY 1, 2 ORDER BY 1, 2",
    )
    first, second, third = ({row.pat_num: row for row in night(number)} for number in (1, 2, 3))
    for delivery_id, before, after in (("d1", {}, first), ("d2", first, second), ("d3", second, third)):
        counted = {change: count for each, change, count in kinds if each == delivery_id}
        assert counted.get("new", 0) == len(after.keys() - before.keys())
        assert counted.get("cleared", 0) == len(before.keys() - after.keys())
        assert counted.get("changed", 0) == sum(before[key] != after[key] for key in before.keys() & after.keys())
    [(was, now)] = await fetched(
        running,
        f"SELECT was_bal_total, bal_total FROM {schema}.change WHERE delivery_id = 'd2' AND change = 'changed' LIMIT 1",
    )
    assert was != now
    seen = await fetched(
        running, f"SELECT DISTINCT delivery_id, change, last_seen FROM {schema}.change WHERE change <> 'new'"
    )
    assert {each for each in seen if each[1] == "cleared"} == {
        ("d2", "cleared", date(2026, 3, 1)),
        ("d3", "cleared", date(2026, 3, 2)),
    }
    assert {last_seen for _, change, last_seen in seen if change == "changed"} == {None}
    [(guarantors, total)] = await fetched(
        running, f"SELECT guarantors, bal_total FROM {schema}.snapshot WHERE delivery_id = 'd3'"
    )
    assert (guarantors, total) == (len(third), Decimal(sum(row.bal_total for row in third.values())) / 100)


async def test_a_second_delivery_of_the_same_id_changes_nothing(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    await sink.deliver(payload(1), "d1")
    changes = await fetched(running, f"SELECT * FROM {schema}.change ORDER BY pat_num")
    await sink.aclose()
    again = sink_to(running, schema)
    await again.deliver(payload(1), "d1")
    assert await fetched(running, f"SELECT * FROM {schema}.change ORDER BY pat_num") == changes
    assert await held(running, schema) == truth(1)
    await again.deliver(payload(2), "d2")
    await again.deliver(payload(1), "d1")
    await again.aclose()
    assert await held(running, schema) == truth(2)


async def test_what_a_reader_does_not_tell_is_null_and_no_change(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    for number, each in enumerate((payload(1), as_report(payload(1)), as_report(payload(2)), payload(2)), start=1):
        await sink.deliver(each, f"d{number}")
        kept = await held(running, schema)
        assert [row[0] for row in kept] == [row.pat_num for row in each.balances]
        if each.snapshot.missing_columns:
            assert {row[1:3] for row in kept} == {(None, None)}
        else:
            assert kept == truth(each.snapshot.id)
        [(own,)] = await fetched(running, f"SELECT est_balance FROM {schema}.snapshot WHERE delivery_id = 'd{number}'")
        assert (own is None) == bool(each.snapshot.missing_columns)
    await sink.aclose()
    counted = await fetched(running, f"SELECT delivery_id, count(*) FROM {schema}.change GROUP BY 1 ORDER BY 1")
    found = between(1, 2)
    assert counted == [("d1", len(night(1))), ("d3", len(found.new) + len(found.changed) + len(found.cleared))]


async def test_tables_of_an_earlier_version_are_brought_up_to_date(running: Server, schema: str) -> None:
    connection = await asyncpg.connect(running.dsn())
    for statement in (
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.version (revision integer NOT NULL)",
        MIGRATIONS[0].format(schema=schema),
        f"INSERT INTO {schema}.version VALUES (1)",
    ):
        await connection.execute(statement)
    await connection.close()
    sink = sink_to(running, schema)
    for number in (1, 2):
        await sink.deliver(payload(number), f"d{number}")
    await sink.aclose()
    assert await held(running, schema) == truth(2)
    assert await fetched(running, f"SELECT max(revision) FROM {schema}.version") == [(len(MIGRATIONS),)]


async def test_an_empty_snapshot_clears_the_office(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    await sink.deliver(payload(1), "d1")
    empty = payload(2)
    none = compute_totals(())
    await sink.deliver(replace(empty, balances=(), snapshot=replace(empty.snapshot, totals=none)), "d2")
    await sink.aclose()
    assert await held(running, schema) == []


async def test_a_server_that_goes_away_in_the_middle_of_copy_has_all_of_it_once_it_is_back(
    tmp_path: Path, schema: str
) -> None:
    with serving() as server:
        direct = sink_to(server, schema)
        await direct.deliver(payload(1, guarantors=5_000), "d1")
        await direct.aclose()
        cut = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(through, server, tmp_path, 250_000, cut)
            await anyio.wait_all_tasks_blocked()
            sink = sink_to(server, schema, host=tmp_path)
            with pytest.raises(DeliveryFailed) as caught:
                await sink.deliver(payload(2, guarantors=5_000), "d2")
            assert cut.is_set()
            assert "its socket" in str(caught.value)
            tasks.cancel_scope.cancel()
        assert "cannot be reached" in await refusal_of(direct, 2)
        server.start()
        assert await held(server, schema) == truth(1, 5_000)
        assert await fetched(server, f"SELECT delivery_id FROM {schema}.snapshot") == [("d1",)]
        await direct.deliver(payload(2, guarantors=5_000), "d2")
        assert await held(server, schema) == truth(2, 5_000)
        await direct.aclose()


async def test_a_delivery_that_is_cut_short_leaves_nothing_and_the_next_one_alone(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    await sink.deliver(payload(1), "d1")
    holder = await asyncpg.connect(running.dsn())
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {schema}.change IN ACCESS EXCLUSIVE MODE")
        with anyio.move_on_after(0.3) as scope:
            await sink.deliver(payload(2), "d2")
        assert scope.cancelled_caught
    await holder.close()
    assert await held(running, schema) == truth(1)
    await sink.deliver(payload(2), "d2")
    await sink.aclose()
    assert await held(running, schema) == truth(2)


async def test_tables_that_somebody_else_changes_are_told_and_nothing_is_committed(
    running: Server, schema: str
) -> None:
    sink = sink_to(running, schema)
    await sink.deliver(payload(1), "d1")
    connection = await asyncpg.connect(running.dsn())
    await connection.execute(
        f"CREATE FUNCTION {schema}.meddle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.bal_total := NEW.bal_total + 1; RETURN NEW; END $$;"
        f"CREATE TRIGGER meddle BEFORE INSERT ON {schema}.balance FOR EACH ROW EXECUTE FUNCTION {schema}.meddle()"
    )
    assert "does not add up" in await refusal_of(sink, 2)
    assert await held(running, schema) == truth(1)
    await connection.execute(
        f"DROP TRIGGER meddle ON {schema}.balance; ALTER TABLE {schema}.change RENAME pat_num TO x"
    )
    await connection.close()
    assert "not as we made them" in await refusal_of(sink, 2)
    await sink.aclose()


async def test_a_user_without_rights_is_told_what_to_grant(running: Server, schema: str) -> None:
    connection = await asyncpg.connect(running.dsn())
    await connection.execute("DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here LOGIN")
    await connection.close()
    assert "grant it CREATE and TEMPORARY" in await refusal_of(sink_to(running, schema, user="nobody_here"))
    assert "does not let this user in" in await refusal_of(sink_to(running, schema, user="never_made"))
    assert "has no such database" in await refusal_of(sink_to(running, schema, database="never_made"))


async def test_whoever_waits_for_a_lock_is_told_and_leaves_no_session_behind(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    await sink.deliver(payload(1), "d1")
    await sink.aclose()
    holder = await asyncpg.connect(running.dsn())
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {schema}.balance IN SHARE MODE")
        hasty = Postgres(PostgresOptions(running.dsn(), schema, HASTY_SECONDS))
        assert "another session holds its tables locked" in await refusal_of(hasty, 2)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        assert await holder.fetchval(waiting) == 0
    await holder.close()
    await hasty.deliver(payload(2), "d2")
    await hasty.aclose()
    assert await held(running, schema) == truth(2)


async def test_a_schema_may_be_a_word_of_sql_and_a_table_of_anybody_be_named_like_ours(running: Server) -> None:
    connection = await asyncpg.connect(running.dsn())
    await connection.execute(
        "CREATE TABLE public.staging (pat_num bigint); DROP ROLE IF EXISTS other;"
        "CREATE ROLE other LOGIN SUPERUSER; ALTER ROLE other SET search_path = public, pg_temp"
    )
    sink = sink_to(running, "user", user="other")
    await sink.deliver(payload(1), "d1")
    await sink.aclose()
    assert await held(running, '"user"') == truth(1)
    await connection.execute("DROP TABLE public.staging")
    await connection.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE {}.balance ADD CHECK (pat_num < 100000) NOT VALID", "a foreign key that we did not make"),
        ("ALTER TABLE {}.balance ALTER bal_total TYPE text", "once its schema is dropped or renamed"),
        ("DROP TABLE {}.balance", "once its schema is dropped or renamed"),
    ],
)
async def test_what_its_owner_did_is_told_and_can_be_undone(
    running: Server, schema: str, statement: str, words: str
) -> None:
    sink = sink_to(running, schema)
    connection = await asyncpg.connect(running.dsn())
    await sink.deliver(payload(1), "d1")
    await sink.aclose()
    await connection.execute(statement.format(schema))
    assert words in await refusal_of(sink, 2)
    await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await connection.close()
    await sink.deliver(payload(2), "d2")
    await sink.aclose()
    assert await held(running, schema) == truth(2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("sslmode=require", "does not speak TLS, which sslmode in its DSN asks for"),
        ("sslmode=verify-full", "it needs sslrootcert="),
        ("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "or a file that its DSN names"),
        ("sslmode=disable&target_session_attrs=standby", "is not what target_session_attrs in its DSN asks for"),
        ("sslmode=disable&no_such_setting=1", "it does not know a setting that the DSN holds"),
    ],
)
async def test_options_of_the_dsn_that_do_not_fit_the_server_are_told(
    running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, words: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
    port = listener.extra(SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, partial(passed_on, running))
        dsn = f"postgresql://postgres@127.0.0.1:{port}/postgres?{options}"
        told = await refusal_of(Postgres(PostgresOptions(dsn, "oddaemon", SECONDS)))
        tasks.cancel_scope.cancel()
    await listener.aclose()
    assert words in told
    assert "PostgreSQL at 127.0.0.1" in told


async def test_tables_of_a_newer_oddaemon_are_left_alone(running: Server, schema: str) -> None:
    sink = sink_to(running, schema)
    await sink.deliver(payload(1), "d1")
    await sink.aclose()
    connection = await asyncpg.connect(running.dsn())
    await connection.execute(f"INSERT INTO {schema}.version VALUES (99)")
    await connection.close()
    assert "made by a newer oddaemon" in await refusal_of(sink, 2)


async def test_nobody_there_is_told(tmp_path: Path) -> None:
    sink = Postgres(PostgresOptions(f"postgresql://postgres@/postgres?host={tmp_path}", "oddaemon", SECONDS))
    assert "cannot be reached" in await refusal_of(sink)


async def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    sink = Postgres(PostgresOptions("postgresql:///postgres", "oddaemon", SECONDS))
    assert "pip install 'oddaemon[postgres]'" in await refusal_of(sink)
