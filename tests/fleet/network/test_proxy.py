"""The proxy between a host and the database does what a network does, at the statement that a test names."""

from collections.abc import AsyncIterator, Iterator

import anyio
import psycopg
import pytest

from tests.fleet.network.proxy import DatabaseProxy, Moment
from tests.ports import reserved_port
from tests.postgres_server import PostgresServer, find_missing_requirement, running_server

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresServer]:
    with running_server(has_port=True) as server:
        server.execute("CREATE TABLE note (number int)")
        yield server


@pytest.fixture
def server(running: PostgresServer) -> PostgresServer:
    running.execute("TRUNCATE note")
    return running


@pytest.fixture
async def proxy(server: PostgresServer) -> AsyncIterator[DatabaseProxy]:
    proxy = DatabaseProxy(server.get_port())
    async with proxy.listening():
        yield proxy


async def connect(proxy: DatabaseProxy, *, autocommit: bool = True) -> psycopg.AsyncConnection:
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?connect_timeout=2"
    return await psycopg.AsyncConnection.connect(url, autocommit=autocommit)


def count_notes(server: PostgresServer) -> int:
    return int(server.execute("SELECT count(*) FROM note")[0][0])


async def wait_for_note(server: PostgresServer) -> None:
    with anyio.fail_after(5):
        while count_notes(server) == 0:  # noqa: ASYNC110 - the database signals nothing
            await anyio.sleep(0.02)


async def test_what_is_open_passes(proxy: DatabaseProxy) -> None:
    async with await connect(proxy) as connection:
        cursor = await connection.execute("SELECT repeat('x', 1000000)")
        assert len((await cursor.fetchone() or [""])[0]) == 1_000_000


async def test_a_cut_resets_connections_and_refuses_new_ones(proxy: DatabaseProxy) -> None:
    async with await connect(proxy) as connection:
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        await connect(proxy)
    proxy.restore()
    async with await connect(proxy) as connection:
        await connection.execute("SELECT 1")


async def test_what_is_held_arrives_later(proxy: DatabaseProxy, server: PostgresServer) -> None:
    async with await connect(proxy) as connection:
        proxy.hold()
        with anyio.move_on_after(0.2) as scope:
            await connection.execute("INSERT INTO note VALUES (1)")
        assert (scope.cancelled_caught, count_notes(server)) == (True, 0)
        proxy.restore()
        await wait_for_note(server)


async def test_a_new_connection_is_accepted_and_hears_nothing_while_all_is_held(proxy: DatabaseProxy) -> None:
    proxy.hold()
    with pytest.raises(psycopg.OperationalError):
        await connect(proxy)


@pytest.mark.parametrize(("direction", "arrives"), [("to_server", 0), ("to_client", 1)])
async def test_one_direction_is_held(
    proxy: DatabaseProxy, server: PostgresServer, direction: str, arrives: int
) -> None:
    async with await connect(proxy) as connection:
        getattr(proxy, direction).close()
        with anyio.move_on_after(0.3) as scope:
            await connection.execute("INSERT INTO note VALUES (1)")
        assert (scope.cancelled_caught, count_notes(server)) == (True, arrives)
        proxy.restore()


async def test_an_answer_to_commit_is_lost_and_the_commit_is_not(proxy: DatabaseProxy, server: PostgresServer) -> None:
    connection = await connect(proxy, autocommit=False)
    stop = proxy.intercept(lambda message: message.is_commit, Moment.ANSWER, is_cut=True)
    await connection.execute("INSERT INTO note VALUES (1)")
    stop.release()
    with pytest.raises(psycopg.OperationalError):
        await connection.commit()
    await connection.close()
    assert count_notes(server) == 1
    async with await connect(proxy, autocommit=False) as other:
        await other.execute("INSERT INTO note VALUES (2)")
    assert count_notes(server) == 2


async def test_a_commit_after_a_copy_is_stopped_and_another_passes(
    proxy: DatabaseProxy, server: PostgresServer
) -> None:
    stop = proxy.intercept(lambda message: message.commits_balances, Moment.STATEMENT)

    async def copy() -> None:
        async with await connect(proxy, autocommit=False) as connection:
            async with connection.cursor() as cursor, cursor.copy("COPY note FROM STDIN") as rows:
                await rows.write_row((7,))
            await connection.commit()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(copy)
        await stop.wait()
        assert count_notes(server) == 0
        async with await connect(proxy, autocommit=False) as other:
            await other.execute("INSERT INTO note VALUES (2)")
        assert count_notes(server) == 1
        stop.release()
    assert count_notes(server) == 2


async def test_rows_that_are_copied_are_stopped(proxy: DatabaseProxy, server: PostgresServer) -> None:
    stop = proxy.intercept(lambda message: message.kind == "d", Moment.STATEMENT, is_cut=True)
    connection = await connect(proxy)

    async def write_rows() -> None:
        async with connection.cursor() as cursor, cursor.copy("COPY note FROM STDIN") as rows:
            for number in range(100_000):
                await rows.write_row((number,))

    async def copy() -> None:
        with pytest.raises(psycopg.OperationalError):
            await write_rows()
        await connection.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(copy)
        await stop.wait()
        stop.release()
    assert count_notes(server) == 0


async def test_a_prepared_statement_is_known_by_its_text(proxy: DatabaseProxy, server: PostgresServer) -> None:
    async with await connect(proxy) as connection:
        for number in range(3):
            await connection.execute("INSERT INTO note VALUES (%s)", [number], prepare=True)
        stop = proxy.intercept(lambda message: message.statement.startswith("INSERT INTO note"), Moment.ANSWER)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: connection.execute("INSERT INTO note VALUES (%s)", [9], prepare=True))
            await stop.wait()
            assert count_notes(server) == 4
            stop.release()


async def test_a_server_that_is_gone_resets_and_another_takes_its_place(
    proxy: DatabaseProxy, server: PostgresServer
) -> None:
    with reserved_port() as nothing:
        proxy.target = nothing
        with pytest.raises(psycopg.OperationalError):
            await connect(proxy)
    proxy.target = server.get_port()
    async with await connect(proxy) as connection:
        await connection.execute("SELECT 1")
