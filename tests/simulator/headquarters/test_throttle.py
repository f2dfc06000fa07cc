from typing import Any

import anyio
import pytest

from oddaemon.simulator.headquarters.throttle import KeyQueue, QueueFullError
from oddaemon.simulator.virtual_time import make_virtual_loop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


async def record_starts(queue: KeyQueue, *, requests: int, execution_seconds: float) -> list[float]:
    starts: list[float] = []

    async def send_request() -> None:
        async with queue.turn():
            starts.append(round(anyio.current_time(), 6))
            await queue.serve_for(execution_seconds)

    async with anyio.create_task_group() as tasks:
        for _ in range(requests):
            tasks.start_soon(send_request)
    return starts


async def test_starts_are_spaced_and_the_spacing_includes_the_execution() -> None:
    assert await record_starts(KeyQueue(5.0), requests=4, execution_seconds=2.0) == [0, 5, 10, 15]


async def test_a_slow_request_holds_up_the_next_one_until_it_ends() -> None:
    assert await record_starts(KeyQueue(1.0), requests=3, execution_seconds=4.0) == [0, 4, 8]


async def test_a_local_api_has_no_spacing_and_still_serves_one_at_a_time() -> None:
    assert await record_starts(KeyQueue(0.0, waiting_max=None), requests=10, execution_seconds=0.5) == [
        i / 2 for i in range(10)
    ]


async def test_the_one_too_many_is_refused_at_once_and_the_others_are_served_late() -> None:
    queue = KeyQueue(5.0, waiting_max=2)
    served: list[float] = []
    refused: list[tuple[float, int]] = []

    async def send_request() -> None:
        try:
            async with queue.turn():
                served.append(anyio.current_time())
                await queue.serve_for(1.0)
        except QueueFullError as error:
            refused.append((anyio.current_time(), error.retry_after_seconds))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(send_request)
    assert served == pytest.approx([0, 5, 10])
    assert refused == [(0, 15), (0, 15)]


async def test_who_hangs_up_while_being_served_still_uses_up_the_turn() -> None:
    queue = KeyQueue(1.0)
    with anyio.move_on_after(0.5):
        async with queue.turn():
            await queue.serve_for(30.0)
    async with queue.turn():
        assert anyio.current_time() == pytest.approx(30)


async def test_who_hangs_up_while_waiting_is_forgotten() -> None:
    queue = KeyQueue(5.0, waiting_max=1)
    async with queue.turn():
        pass
    with anyio.move_on_after(1):
        async with queue.turn():
            raise AssertionError
    async with queue.turn():
        assert anyio.current_time() == pytest.approx(5)
