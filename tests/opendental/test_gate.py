import random
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import anyio
import pytest

from oddaemon.opendental.rate_limiter import SPACING_SLACK, KeyLimiter, RateLimiter, ShuttingDown
from oddaemon.simulator.virtual_time import make_virtual_loop

HOUR = 3600.0
ANY_RATE = 1e9
TICK = 1e-6


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": make_virtual_loop}


class Traffic:
    """Asks through lanes and notes who was inside from when until when."""

    def __init__(self) -> None:
        self.inside = 0
        self.inside_max = 0
        self.starts: list[float] = []
        self.names: list[str] = []
        self.waits: list[float] = []
        self.finished = 0
        self.closed: list[float] = []

    async def ask(self, lane: KeyLimiter, seconds: float = 0.0, name: str = "") -> None:
        try:
            async with lane.acquire() as waited:
                self.starts.append(anyio.current_time())
                self.names.append(name)
                self.waits.append(waited)
                self.inside += 1
                self.inside_max = max(self.inside_max, self.inside)
                try:
                    await anyio.sleep(seconds)
                    self.finished += 1
                finally:
                    self.inside -= 1
        except ShuttingDown:
            self.closed.append(anyio.current_time())

    async def ask_often(self, lane: KeyLimiter, times: int, seconds: float = 0.0, name: str = "") -> None:
        for _ in range(times):
            await self.ask(lane, seconds, name)

    async def ask_at_once(self, lanes: Iterable[KeyLimiter], seconds: float = 0.0) -> None:
        async with anyio.create_task_group() as group:
            for lane in lanes:
                group.start_soon(self.ask, lane, seconds)

    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.starts)]


def most_in_a_second(starts: list[float]) -> int:
    return max(sum(start <= other < start + 1 - TICK for other in starts) for start in starts)


async def test_one_key_has_one_request_in_flight_however_many_ask() -> None:
    lane, traffic = RateLimiter(8, ANY_RATE).make_key_limiter(0.0, capped=True), Traffic()
    await traffic.ask_at_once([lane] * 20, 3.0)
    assert traffic.inside_max == 1
    assert traffic.finished == 20
    assert anyio.current_time() == pytest.approx(60)


async def test_spacing_counts_from_start_to_start_with_some_slack() -> None:
    lane, traffic = RateLimiter(8, ANY_RATE).make_key_limiter(5.0, capped=True), Traffic()
    await traffic.ask_often(lane, 5, seconds=2.0)
    assert traffic.gaps() == pytest.approx([5 * SPACING_SLACK] * 4)
    assert SPACING_SLACK > 1


async def test_a_request_longer_than_the_spacing_is_followed_at_once() -> None:
    lane, traffic = RateLimiter(8, ANY_RATE).make_key_limiter(1.0, capped=True), Traffic()
    await traffic.ask_often(lane, 4, seconds=7.0)
    assert traffic.gaps() == pytest.approx([7.0] * 3)


async def test_the_first_request_waits_out_what_a_predecessor_may_have_asked() -> None:
    await anyio.sleep(100)
    lane, traffic = RateLimiter(8, ANY_RATE).make_key_limiter(5.0, capped=True), Traffic()
    await traffic.ask(lane)
    assert traffic.starts == pytest.approx([100 + 5 * SPACING_SLACK])
    assert traffic.waits == pytest.approx([5 * SPACING_SLACK])


async def test_a_lane_that_rested_does_not_wait() -> None:
    lane, traffic = RateLimiter(8, ANY_RATE).make_key_limiter(5.0, capped=True), Traffic()
    await anyio.sleep(HOUR)
    await traffic.ask(lane)
    assert traffic.waits == [0.0]


async def test_lanes_do_not_wait_for_each_other_below_the_caps() -> None:
    gate, traffic = RateLimiter(200, ANY_RATE), Traffic()
    lanes = [gate.make_key_limiter(1.0, capped=True) for _ in range(100)]
    await traffic.ask_at_once(lanes, 30.0)
    assert traffic.inside_max == 100
    assert anyio.current_time() == pytest.approx(30 + SPACING_SLACK)


async def test_no_more_are_in_flight_together_than_agreed() -> None:
    gate, traffic = RateLimiter(7, ANY_RATE), Traffic()
    lanes = [gate.make_key_limiter(0.0, capped=True) for _ in range(40)]
    await traffic.ask_at_once(lanes, 2.0)
    assert traffic.inside_max == 7
    assert traffic.finished == 40
    assert anyio.current_time() == pytest.approx(2 * 6, abs=TICK)


@pytest.mark.parametrize("rate", [1.0, 4.0, 10.0])
async def test_no_second_holds_more_starts_than_agreed(rate: float) -> None:
    gate, traffic = RateLimiter(8, rate), Traffic()
    lanes = [gate.make_key_limiter(0.0, capped=True) for _ in range(30)]
    await anyio.sleep(HOUR)
    await traffic.ask_at_once(lanes, 0.3)
    assert most_in_a_second(traffic.starts) == rate
    assert min(traffic.gaps()) == pytest.approx(1 / rate)
    assert traffic.starts[-1] - traffic.starts[0] == pytest.approx(29 / rate), "and the pace is used up fully"


async def test_who_came_first_is_served_first() -> None:
    gate, traffic = RateLimiter(2, 5.0), Traffic()
    lanes = [gate.make_key_limiter(0.0, capped=True) for _ in range(12)]
    async with anyio.create_task_group() as group:
        for number, lane in enumerate(lanes):
            group.start_soon(traffic.ask, lane, 1.0, str(number))
            await anyio.sleep(0.01)
    assert traffic.names == [str(number) for number in range(12)]


async def test_a_lane_that_asks_without_end_does_not_starve_another() -> None:
    gate, traffic = RateLimiter(1, ANY_RATE), Traffic()
    greedy = [gate.make_key_limiter(0.0, capped=True) for _ in range(5)]
    modest = gate.make_key_limiter(0.0, capped=True)
    async with anyio.create_task_group() as group:
        for lane in greedy:
            group.start_soon(traffic.ask_often, lane, 50, 1.0, "greedy")
        await anyio.sleep(10.5)
        group.start_soon(traffic.ask_often, modest, 3, 1.0, "modest")
    turns = [number for number, name in enumerate(traffic.names) if name == "modest"]
    assert turns == [15, 21, 27], "its turn comes once in each round of six"


async def test_an_office_on_its_own_network_passes_the_caps_by() -> None:
    gate, traffic, elsewhere = RateLimiter(1, 0.001), Traffic(), Traffic()
    near = gate.make_key_limiter(0.0, capped=False)
    async with anyio.create_task_group() as group:
        group.start_soon(elsewhere.ask, gate.make_key_limiter(0.0, capped=True), HOUR)
        await anyio.sleep(1)
        await traffic.ask_at_once([near] * 5, 2.0)
        assert anyio.current_time() == pytest.approx(11)
        assert elsewhere.inside == 1
    assert traffic.inside_max == 1, "still one at a time"
    assert traffic.waits == pytest.approx([0, 2, 4, 6, 8])


async def test_closing_wakes_whoever_waits_and_lets_those_inside_finish() -> None:
    gate, traffic = RateLimiter(1, 0.1), Traffic()
    slow = gate.make_key_limiter(HOUR, capped=True)
    lanes = [gate.make_key_limiter(0.0, capped=True) for _ in range(3)]
    async with anyio.create_task_group() as group:
        for lane in (lanes[0], lanes[0], lanes[1], lanes[2], slow):
            group.start_soon(traffic.ask, lane, 60.0)
        await anyio.sleep(5)
        assert traffic.inside == 1
        gate.close()
        await anyio.sleep(TICK)
        assert traffic.closed == [5.0] * 4, "behind the lane's own, for a place, and for the spacing"
        assert traffic.inside == 1
    assert traffic.finished == 1
    assert anyio.current_time() == pytest.approx(60)


async def test_closing_wakes_who_waits_for_the_common_pace() -> None:
    gate, traffic = RateLimiter(8, 0.001), Traffic()
    lanes = [gate.make_key_limiter(0.0, capped=True) for _ in range(6)]
    async with anyio.create_task_group() as group:
        for lane in lanes:
            group.start_soon(traffic.ask, lane, 1.0)
        await anyio.sleep(5)
        gate.close()
    assert (traffic.finished, traffic.closed) == (1, [5.0] * 5)


async def test_nothing_starts_after_closing() -> None:
    gate, traffic = RateLimiter(8, ANY_RATE), Traffic()
    lanes = [gate.make_key_limiter(0.0, capped=capped) for capped in (True, False)]
    gate.close()
    gate.close()
    for lane in (*lanes, gate.make_key_limiter(1.0, capped=True)):
        await traffic.ask(lane)
    with pytest.raises(ShuttingDown):
        await gate.sleep_until(0.0)
    assert traffic.starts == []
    assert len(traffic.closed) == 3


async def test_sleeping_ends_at_its_time_or_with_the_gate() -> None:
    gate = RateLimiter(8, ANY_RATE)
    await gate.sleep_until(90.0)
    assert anyio.current_time() == pytest.approx(90)
    await gate.sleep_until(50.0)
    assert anyio.current_time() == pytest.approx(90)
    async with anyio.create_task_group() as group:

        async def close_soon() -> None:
            await anyio.sleep(10)
            gate.close()

        group.start_soon(close_soon)
        with pytest.raises(ShuttingDown):
            await gate.sleep_until(HOUR)
    assert anyio.current_time() == pytest.approx(100)


async def test_a_failure_inside_frees_the_way() -> None:
    gate, traffic = RateLimiter(1, ANY_RATE), Traffic()
    lane = gate.make_key_limiter(0.0, capped=True)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            async with lane.acquire():
                raise ZeroDivisionError
    await traffic.ask(lane)
    assert traffic.finished == 1


async def cancelled_at_random(traffic: Traffic, lanes: list[KeyLimiter], dice: random.Random, times: int) -> None:
    async def asking() -> None:
        with anyio.move_on_after(dice.random() * 6):
            await traffic.ask(dice.choice(lanes), dice.random() * 3)

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(asking)
            await anyio.sleep(dice.random() * 0.1)


@pytest.mark.parametrize("seed", range(5))
async def test_three_hundred_random_cancellations_leave_the_gate_at_full_speed(seed: int) -> None:
    gate, traffic = RateLimiter(4, 10.0), Traffic()
    lanes = [gate.make_key_limiter(spacing, capped=True) for spacing in (0.0, 0.0, 0.2, 1.0, 1.0, 2.0) * 3]
    await cancelled_at_random(traffic, lanes, random.Random(seed), 450)
    assert 450 - traffic.finished >= 300
    assert traffic.inside == 0
    assert traffic.inside_max <= 4
    assert most_in_a_second(traffic.starts) <= 10

    began, fresh = anyio.current_time(), Traffic()
    await anyio.sleep(2 * SPACING_SLACK)
    await fresh.ask_at_once(lanes)
    assert fresh.finished == len(lanes)
    assert anyio.current_time() == pytest.approx(began + 2 * SPACING_SLACK + (len(lanes) - 1) / 10)


async def test_who_gives_up_waiting_for_the_pace_costs_the_next_one_nothing() -> None:
    gate, traffic = RateLimiter(50, 1.0), Traffic()
    lanes = [gate.make_key_limiter(0.0, capped=True) for _ in range(42)]
    await traffic.ask(lanes[0])
    with anyio.move_on_after(0.5):
        await traffic.ask_at_once(lanes[1:41])
    await traffic.ask(lanes[41])
    assert traffic.starts == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("seed", range(5))
async def test_closing_among_random_cancellations_leaves_nobody_waiting(seed: int) -> None:
    gate, traffic, dice = RateLimiter(3, 10.0), Traffic(), random.Random(seed)
    lanes = [gate.make_key_limiter(0.1, capped=True) for _ in range(5)]
    async with anyio.create_task_group() as group:
        group.start_soon(cancelled_at_random, traffic, lanes, dice, 200)
        await anyio.sleep(dice.random() * 10)
        gate.close()
        closed_at, started = anyio.current_time(), len(traffic.starts)
        await anyio.sleep(3)
        assert traffic.inside == 0
    assert len(traffic.starts) == started
    assert all(at >= closed_at for at in traffic.closed)
