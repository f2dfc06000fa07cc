import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute

from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.postgres.schema import MIGRATIONS
from oddaemon.sinks.postgres.sink import Postgres
from tests.golden import GoldenTexts
from tests.postgres_server import PostgresServer, find_missing_requirement, running_server
from tests.sinks.payloads import convert_to_report, diff_nights, make_night_balances, make_payload
from tests.sinks.postgres.deliveries import (
    SECONDS,
    connect,
    fetch_balances,
    fetch_rows,
    get_delivery_error,
    get_true_rows,
    make_sink,
)
from tests.sinks.postgres.forwarding import forward_connection, forward_until_cut

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]
SHORT_TIMEOUT_SECONDS = 6.0
"""Half of it to wait for a lock: the rest must do for a connection and the server's answer on a busy machine."""


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    """A schema of this test's own."""
    return "test_" + "".join(each if each.isalnum() else "_" for each in request.node.name.lower())[-50:]


async def test_the_current_table_equals_the_snapshot_and_every_change_is_kept(
    running: PostgresServer, schema: str
) -> None:
    sink = make_sink(running, schema)
    for number in (1, 2, 3):
        await sink.deliver(make_payload(number), f"d{number}")
        assert await fetch_balances(running, schema) == get_true_rows(number)
    other = make_payload(1, office_id="hill")
    await sink.deliver(other, "d4")
    assert await fetch_balances(running, schema) == get_true_rows(3)
    await sink.aclose()
    kinds = await fetch_rows(
        running,
        f"SELECT delivery_id, change, count(*) FROM {schema}.change WHERE office = 'smile' GROUP BY 1, 2 ORDER BY 1, 2",
    )
    first, second, third = ({row.pat_num: row for row in make_night_balances(number)} for number in (1, 2, 3))
    for delivery_id, before, after in (("d1", {}, first), ("d2", first, second), ("d3", second, third)):
        counted = {change: count for each, change, count in kinds if each == delivery_id}
        assert counted.get("new", 0) == len(after.keys() - before.keys())
        assert counted.get("cleared", 0) == len(before.keys() - after.keys())
        assert counted.get("changed", 0) == sum(before[key] != after[key] for key in before.keys() & after.keys())
    [(was, now)] = await fetch_rows(
        running,
        f"SELECT was_bal_total, bal_total FROM {schema}.change WHERE delivery_id = 'd2' AND change = 'changed' LIMIT 1",
    )
    assert was != now
    rows = await fetch_rows(
        running, f"SELECT DISTINCT delivery_id, change, last_seen FROM {schema}.change WHERE change <> 'new'"
    )
    assert {each for each in rows if each[1] == "cleared"} == {
        ("d2", "cleared", date(2026, 3, 1)),
        ("d3", "cleared", date(2026, 3, 2)),
    }
    assert {last_seen for _, change, last_seen in rows if change == "changed"} == {None}
    [(guarantors, total)] = await fetch_rows(
        running, f"SELECT guarantors, bal_total FROM {schema}.snapshot WHERE delivery_id = 'd3'"
    )
    assert (guarantors, total) == (len(third), Decimal(sum(row.bal_total for row in third.values())) / 100)


async def test_a_second_delivery_of_the_same_id_changes_nothing(running: PostgresServer, schema: str) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    changes = await fetch_rows(running, f"SELECT * FROM {schema}.change ORDER BY pat_num")
    await sink.aclose()
    again = make_sink(running, schema)
    await again.deliver(make_payload(1), "d1")
    assert await fetch_rows(running, f"SELECT * FROM {schema}.change ORDER BY pat_num") == changes
    assert await fetch_balances(running, schema) == get_true_rows(1)
    await again.deliver(make_payload(2), "d2")
    await again.deliver(make_payload(1), "d1")
    await again.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)


async def test_columns_missing_from_a_reader_are_null_and_no_change(running: PostgresServer, schema: str) -> None:
    sink = make_sink(running, schema)
    for number, each in enumerate(
        (make_payload(1), convert_to_report(make_payload(1)), convert_to_report(make_payload(2)), make_payload(2)),
        start=1,
    ):
        await sink.deliver(each, f"d{number}")
        stored = await fetch_balances(running, schema)
        assert [row[0] for row in stored] == [row.pat_num for row in each.balances]
        if each.missing_columns:
            assert {row[1:3] for row in stored} == {(None, None)}
        else:
            assert stored == get_true_rows(each.snapshot.id)
        [(own,)] = await fetch_rows(
            running, f"SELECT est_balance FROM {schema}.snapshot WHERE delivery_id = 'd{number}'"
        )
        assert (own is None) == bool(each.missing_columns)
    await sink.aclose()
    counted = await fetch_rows(running, f"SELECT delivery_id, count(*) FROM {schema}.change GROUP BY 1 ORDER BY 1")
    found = diff_nights(1, 2)
    assert counted == [
        ("d1", len(make_night_balances(1))),
        ("d3", len(found.new) + len(found.changed) + len(found.cleared)),
    ]


async def test_tables_of_an_earlier_version_are_brought_up_to_date(running: PostgresServer, schema: str) -> None:
    connection = await connect(running)
    for statement in (
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.version (revision integer NOT NULL)",
        MIGRATIONS[0].format(schema=schema),
        f"INSERT INTO {schema}.version VALUES (1)",
    ):
        await connection.execute(statement)
    await connection.close()
    sink = make_sink(running, schema)
    for number in (1, 2):
        await sink.deliver(make_payload(number), f"d{number}")
    await sink.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)
    assert await fetch_rows(running, f"SELECT max(revision) FROM {schema}.version") == [(len(MIGRATIONS),)]


async def test_an_empty_snapshot_clears_the_office(running: PostgresServer, schema: str) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    empty = make_payload(2)
    none = compute_totals(())
    await sink.deliver(replace(empty, balances=(), snapshot=replace(empty.snapshot, totals=none)), "d2")
    await sink.aclose()
    assert await fetch_balances(running, schema) == []


async def test_a_server_that_goes_away_in_the_middle_of_copy_has_all_of_it_once_it_is_back(
    tmp_path: Path, schema: str
) -> None:
    with running_server() as server:
        direct = make_sink(server, schema)
        await direct.deliver(make_payload(1, guarantors=5_000), "d1")
        await direct.aclose()
        cut = anyio.Event()
        async with anyio.create_task_group() as tasks:
            await tasks.start(forward_until_cut, server, tmp_path, 250_000, cut)
            sink = make_sink(server, schema, host=tmp_path)
            with pytest.raises(DeliveryFailed) as caught:
                await sink.deliver(make_payload(2, guarantors=5_000), "d2")
            assert cut.is_set()
            assert "its socket" in str(caught.value)
            tasks.cancel_scope.cancel()
        assert "cannot be reached" in await get_delivery_error(direct, 2)
        server.start()
        assert await fetch_balances(server, schema) == get_true_rows(1, 5_000)
        assert await fetch_rows(server, f"SELECT delivery_id FROM {schema}.snapshot") == [("d1",)]
        await direct.deliver(make_payload(2, guarantors=5_000), "d2")
        assert await fetch_balances(server, schema) == get_true_rows(2, 5_000)
        await direct.aclose()


async def test_a_delivery_that_is_cut_short_leaves_nothing_and_the_next_one_alone(
    running: PostgresServer, schema: str
) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    holder = await connect(running)
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {schema}.change IN ACCESS EXCLUSIVE MODE")
        with anyio.move_on_after(0.3) as scope:
            await sink.deliver(make_payload(2), "d2")
        assert scope.cancelled_caught
    await holder.close()
    assert await fetch_balances(running, schema) == get_true_rows(1)
    await sink.deliver(make_payload(2), "d2")
    await sink.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)


async def test_tables_changed_by_another_user_are_reported_and_nothing_is_committed(
    running: PostgresServer, schema: str, golden: GoldenTexts
) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    connection = await connect(running)
    await connection.execute(
        f"CREATE FUNCTION {schema}.meddle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.bal_total := NEW.bal_total + 1; RETURN NEW; END $$;"
        f"CREATE TRIGGER meddle BEFORE INSERT ON {schema}.balance FOR EACH ROW EXECUTE FUNCTION {schema}.meddle()"
    )
    golden.check(await get_delivery_error(sink, 2))
    assert await fetch_balances(running, schema) == get_true_rows(1)
    await connection.execute(
        f"DROP TRIGGER meddle ON {schema}.balance; ALTER TABLE {schema}.change RENAME pat_num TO x"
    )
    await connection.close()
    golden.check(await get_delivery_error(sink, 2))
    await sink.aclose()


async def test_a_guarantor_that_comes_twice_is_never_committed(running: PostgresServer, schema: str) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    for payload in (make_payload(1), make_payload(2)):
        with pytest.raises(DeliveryFailed):
            await sink.deliver(replace(payload, balances=[payload.balances[0], *payload.balances]), "d2")
    assert await fetch_balances(running, schema) == get_true_rows(1)
    assert await fetch_rows(running, f"SELECT delivery_id FROM {schema}.snapshot") == [("d1",)]
    await sink.aclose()


async def test_a_user_without_rights_is_reported_with_the_grant(
    running: PostgresServer, schema: str, golden: GoldenTexts
) -> None:
    connection = await connect(running)
    await connection.execute("DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here LOGIN")
    await connection.close()
    golden.check(await get_delivery_error(make_sink(running, schema, user="nobody_here")))
    assert "the login failed" in await get_delivery_error(make_sink(running, schema, user="never_made"))
    golden.check(await get_delivery_error(make_sink(running, schema, database="never_made")))


async def test_waiting_for_a_lock_is_reported_and_leaves_no_session_behind(
    running: PostgresServer, schema: str, golden: GoldenTexts
) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    await sink.aclose()
    holder = await connect(running)
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {schema}.balance IN SHARE MODE")
        hasty = Postgres(running.make_dsn(), schema, SHORT_TIMEOUT_SECONDS)
        golden.check(await get_delivery_error(hasty, 2))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        assert await (await holder.execute(waiting)).fetchone() == (0,)
    await holder.close()
    await sink.deliver(make_payload(2), "d2")
    await sink.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)


async def test_a_schema_may_be_a_keyword_and_another_table_may_have_our_name(running: PostgresServer) -> None:
    connection = await connect(running)
    await connection.execute(
        "CREATE TABLE public.staging (pat_num bigint); DROP ROLE IF EXISTS other;"
        "CREATE ROLE other LOGIN SUPERUSER; ALTER ROLE other SET search_path = public, pg_temp"
    )
    sink = make_sink(running, "user", user="other")
    await sink.deliver(make_payload(1), "d1")
    await sink.aclose()
    assert await fetch_balances(running, '"user"') == get_true_rows(1)
    await connection.execute("DROP TABLE public.staging")
    await connection.close()


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("ALTER TABLE {}.balance ADD CHECK (pat_num < 100000) NOT VALID", "foreign key that oddaemon did not create"),
        ("ALTER TABLE {}.balance ALTER bal_total TYPE text", "If you drop or rename the schema"),
        ("DROP TABLE {}.balance", "If you drop or rename the schema"),
    ],
)
async def test_changes_by_the_schema_owner_are_reported_and_can_be_undone(
    running: PostgresServer, schema: str, statement: str, text: str
) -> None:
    sink = make_sink(running, schema)
    connection = await connect(running)
    await sink.deliver(make_payload(1), "d1")
    await sink.aclose()
    await connection.execute(statement.format(schema))
    assert text in await get_delivery_error(sink, 2)
    await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await connection.close()
    await sink.deliver(make_payload(2), "d2")
    await sink.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("sslmode=require", "does not support TLS"),
        ("sslmode=verify-full", "does not support TLS"),
        ("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "the files named in the DSN"),
        ("sslmode=disable&target_session_attrs=standby", "does not match target_session_attrs"),
        ("sslmode=disable&no_such_setting=1", "the DSN contains an unknown setting"),
    ],
)
async def test_dsn_options_that_do_not_fit_the_server_are_reported(
    running: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, text: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
    port = listener.extra(SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, partial(forward_connection, running))
        dsn = f"postgresql://postgres@127.0.0.1:{port}/postgres?{options}"
        message = await get_delivery_error(Postgres(dsn, "oddaemon", SECONDS))
        tasks.cancel_scope.cancel()
    await listener.aclose()
    assert text in message
    assert "PostgreSQL at 127.0.0.1" in message


async def test_tables_of_a_newer_oddaemon_are_left_alone(
    running: PostgresServer, schema: str, golden: GoldenTexts
) -> None:
    sink = make_sink(running, schema)
    await sink.deliver(make_payload(1), "d1")
    await sink.aclose()
    connection = await connect(running)
    await connection.execute(f"INSERT INTO {schema}.version VALUES (99)")
    await connection.close()
    golden.check(await get_delivery_error(sink, 2))


async def test_an_unreachable_server_is_reported(tmp_path: Path) -> None:
    sink = Postgres(f"postgresql://postgres@/postgres?host={tmp_path}", "oddaemon", SECONDS)
    assert "cannot be reached" in await get_delivery_error(sink)


async def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    sink = Postgres("postgresql://localhost/postgres", "oddaemon", SECONDS)
    assert "pip install 'oddaemon[postgres]'" in await get_delivery_error(sink)
