"""The harness itself: what it sees of tables and traffic is what is there."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import anyio
import psycopg
import pytest
from sqlalchemy import create_engine

from oddaemon.store.schema import metadata
from tests.crash.change_signal import ChangeSignal
from tests.fleet.evidence import LeaseRow
from tests.fleet.fleet import make_offices, running_fleet
from tests.fleet.observer import TableObserver, find_session
from tests.postgres_server import PostgresServer, find_missing_requirement, running_server

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]
MEMBER = """INSERT INTO member
(host, network, pid, version, revision, address, session, stage, joined_at, renewed_at, expires_at)
VALUES (%s, '', 1, '1', '0004', '', %s, %s, now(), now(), now())"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        engine = create_engine(server.make_dsn().replace("postgresql", "postgresql+psycopg", 1))
        metadata.create_all(engine)
        engine.dispose()
        for statement in (
            "INSERT INTO office (id, name, wanted) VALUES ('elm', 'Elm', true), ('oak', 'Oak', false)",
            "INSERT INTO sink (name, failures) VALUES ('hook', 0)",
        ):
            server.execute(statement)
        with psycopg.connect(server.make_dsn(), autocommit=True) as connection:
            connection.execute(MEMBER, ["a", "oddaemon/a/1", "gone"])
            connection.execute(MEMBER, ["b", "oddaemon/b/2", "working"])
        server.execute("INSERT INTO lease (kind, name, holder, generation) VALUES ('office', 'elm', 2, 5)")
        yield server


async def test_the_observer_sees_the_tables_and_who_waits_for_a_lock(server: PostgresServer) -> None:
    seen = anyio.Event()
    observer = TableObserver(server.make_dsn(), seen.set)
    holding = await psycopg.AsyncConnection.connect(server.make_dsn(), application_name="oddaemon/a/1 writer")
    waiting = await psycopg.AsyncConnection.connect(server.make_dsn(), application_name="oddaemon/b/2 writer")
    async with holding, waiting, anyio.create_task_group() as tasks:
        await holding.execute("UPDATE lease SET generation = 6")
        tasks.start_soon(waiting.execute, "UPDATE lease SET generation = 7")
        await anyio.sleep(0.1)
        tasks.start_soon(observer.run)
        await seen.wait()
        await holding.rollback()
        tasks.cancel_scope.cancel()
    sample = observer.samples[0]
    assert {each.host: each.is_alive for each in sample.members.values()} == {"a": False, "b": True}
    assert sample.leases == {("office", "elm"): LeaseRow("office", "elm", 2, 5)}
    assert [*sample.wanted, *sample.sinks, *sample.deliveries] == ["elm", "hook"]
    assert (sample.list_held("b"), sample.list_held("a"), sample.list_unheld()) == (["elm"], [], [])
    (wait,) = sample.waits
    assert (wait.member, wait.blocked_by) == (2, (1,))
    assert wait.seconds > 0


async def test_the_observer_goes_on_after_an_outage(server: PostgresServer) -> None:
    changes = ChangeSignal()
    observer = TableObserver(server.make_dsn(), changes.notify)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(observer.run)
        await changes.wait_until(lambda: bool(observer.samples))
        seen = len(observer.samples)
        server.restart("immediate")
        await changes.wait_until(lambda: len(observer.samples) > seen)
        tasks.cancel_scope.cancel()


async def test_each_write_of_an_office_is_seen_with_who_made_it(server: PostgresServer) -> None:
    observer = TableObserver(server.make_dsn(), lambda: None)
    await observer.watch_writes()
    with anyio.move_on_after(0.1):
        await observer.run()
    for name in ("oddaemon/b/2 writer", "other"):
        async with await psycopg.AsyncConnection.connect(
            server.make_dsn(), autocommit=True, application_name=name
        ) as connection:
            await connection.execute("UPDATE office SET state = %s WHERE id = 'elm'", [f"{{'{name}'}}"])
            await connection.execute("UPDATE office SET name = %s WHERE id = 'elm'", [name])
    writes = await observer.list_writes()
    assert [(each.table, each.office, each.member, each.holder) for each in writes] == [
        ("office", "elm", 2, 2),
        ("office", "elm", None, 2),
    ]
    assert writes[1].at - writes[0].at < timedelta(seconds=60)


def test_a_connection_belongs_to_the_member_whose_session_begins_its_name() -> None:
    sessions = {"oddaemon/a/1": 1, "oddaemon/a/12": 12}
    assert [find_session(sessions, name) for name in ("oddaemon/a/12", "oddaemon/a/1 w", "psql", "")] == [
        *(12, 1),
        *(None, None),
    ]


async def test_headquarters_knows_which_host_asked() -> None:
    alone: dict[str, Any] = {"state": {"database": "oddaemon.db"}}
    async with running_fleet("ab", make_offices(2), settings=alone) as fleet:
        daemon = await fleet.hosts["b"].start()
        await daemon.wait_for_event("snapshot_published", times=2)
        await fleet.simulator.run_aging("office-0001")
        await daemon.wait_for_event("snapshot_published", times=3)
        fleet.hosts["b"].send_signal(signal.SIGKILL)
        requests = await fleet.simulator.list_requests()
        assert {request.client for request in requests} == {"b"}
        assert {request.office_id for request in requests} == {"office-0001", "office-0002"}
