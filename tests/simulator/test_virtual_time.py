import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import anyio.to_thread
import pytest

from oddaemon.simulator.virtual_time import CallsInFlight, DeadlockError, VirtualLoop, make_virtual_loop
from tests.golden import GoldenTexts

HOURS = 3600.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


def get_virtual_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


async def test_ten_hours_pass_in_no_time() -> None:
    began = time.monotonic()
    await anyio.sleep(10 * HOURS)
    assert anyio.current_time() == pytest.approx(10 * HOURS)
    assert time.monotonic() - began < 60


async def test_a_loop_that_has_lived_for_ten_years_still_wakes_its_sleepers() -> None:
    for _ in range(10):
        await anyio.sleep(365 * 24 * HOURS)
        for seconds in (0.1, 1 / 3, 7.7):
            await anyio.sleep(seconds)


async def test_timers_fire_in_the_order_of_their_due_times() -> None:
    fired: list[tuple[float, float]] = []

    async def wait(hours: float) -> None:
        await anyio.sleep(hours * HOURS)
        fired.append((hours, anyio.current_time()))

    async with anyio.create_task_group() as tasks:
        for hours in (30.0, 2.0, 7.0):
            tasks.start_soon(wait, hours)
    assert [hours for hours, _ in fired] == [2.0, 7.0, 30.0]
    assert [instant for _, instant in fired] == pytest.approx([2 * HOURS, 7 * HOURS, 30 * HOURS])


async def test_time_outs_are_virtual() -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(60):
            await anyio.sleep(61)
    assert anyio.current_time() == pytest.approx(60)


class CountedConnection(aiosqlite.Connection):
    def __init__(self, path: Path, calls: CallsInFlight) -> None:
        super().__init__(lambda: sqlite3.connect(path), iter_chunk_size=64)
        self._calls = calls

    async def _execute(self, *args: Any, **kwargs: Any) -> Any:
        with self._calls:
            return await super()._execute(*args, **kwargs)  # type: ignore[no-untyped-call]  # aiosqlite's own


def run_slowly() -> int:
    time.sleep(0.02)  # a thread that really takes its time is what is tested
    return 1


async def test_a_database_call_in_flight_is_never_jumped_over(tmp_path: Path) -> None:
    calls = CallsInFlight()
    get_virtual_loop().track_calls(calls)
    async with CountedConnection(tmp_path / "a.sqlite", calls) as connection, anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 5 * HOURS)
        await connection.create_function("pause", 0, run_slowly)
        await connection.execute("CREATE TABLE t (i)")
        await connection.execute("INSERT INTO t SELECT pause()")
        rows: Iterable[Any] = await connection.execute_fetchall("SELECT count(*) FROM t")
        assert [tuple(row) for row in rows] == [(1,)]
        assert anyio.current_time() == 0


async def test_an_uncounted_call_is_jumped_over_which_is_why_they_are_counted() -> None:
    answered = anyio.Event()
    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=lambda: run_slowly() and loop.call_soon_threadsafe(answered.set))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 5 * HOURS)
        thread.start()
        await answered.wait()
    thread.join()
    assert anyio.current_time() == 5 * HOURS


async def test_threads_of_anyio_and_asyncio_are_counted_automatically() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 5 * HOURS)
        await anyio.to_thread.run_sync(run_slowly)
        await asyncio.to_thread(run_slowly)
        assert anyio.current_time() == 0


async def test_ready_sockets_are_served_before_any_jump() -> None:
    served: list[float] = []

    async def echo(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            while True:
                try:
                    await stream.send(await stream.receive())
                except anyio.EndOfStream:
                    return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
    port: int = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for _ in range(100):
                await stream.send(b"x" * 1000)
                await stream.receive()
                served.append(anyio.current_time())
        tasks.cancel_scope.cancel()
    assert len(served) == 100


def test_a_deadlock_is_an_error_and_not_a_hang(golden: GoldenTexts) -> None:
    async def wait_forever() -> None:
        await anyio.sleep(90)
        await anyio.Event().wait()

    with pytest.raises(DeadlockError) as caught:
        anyio.run(wait_forever, backend_options={"loop_factory": make_virtual_loop})
    golden.check(caught.value)


def test_an_uncounted_thread_is_no_deadlock() -> None:
    async def wait_for_a_thread() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=lambda: run_slowly() and loop.call_soon_threadsafe(answer.set_result, "here"))
        thread.start()
        try:
            return await answer
        finally:
            thread.join()

    assert anyio.run(wait_for_a_thread, backend_options={"loop_factory": make_virtual_loop}) == "here"
