import random
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import anyio
import pytest

from oddaemon.opendental.arrivals import RESPONSES_MIN, WAY_SECONDS_MAX
from oddaemon.opendental.rate_limiter import KeyLimiter, RateLimiter, ShuttingDown
from oddaemon.simulator.virtual_time import make_virtual_loop

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

HOUR = 3600.0
ANY_RATE = 1e9
TICK = 1e-6


class LimiterTraffic:
    """Asks through lanes and notes who was inside from when until when."""

    def __init__(self) -> None:
        self.inside = 0
        self.inside_max = 0
        self.starts: list[float] = []
        self.names: list[str] = []
        self.waits: list[float] = []
        self.finished = 0
        self.closed: list[float] = []

    async def send_request(self, limiter: KeyLimiter, seconds: float = 0.0, name: str = "") -> None:
        try:
            async with limiter.acquire() as waited:
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

    async def send_requests(self, limiter: KeyLimiter, times: int, seconds: float = 0.0, name: str = "") -> None:
        for _ in range(times):
            await self.send_request(limiter, seconds, name)

    async def send_at_once(self, limiters: Iterable[KeyLimiter], seconds: float = 0.0) -> None:
        async with anyio.create_task_group() as group:
            for limiter in limiters:
                group.start_soon(self.send_request, limiter, seconds)

    def compute_gaps(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.starts)]


def count_starts_per_second_max(starts: list[float]) -> int:
    return max(sum(start <= other < start + 1 - TICK for other in starts) for start in starts)


async def test_one_key_has_one_request_in_flight_however_many_ask() -> None:
    key_limiter, traffic = KeyLimiter(RateLimiter(8, ANY_RATE), 0.0, capped=True), LimiterTraffic()
    await traffic.send_at_once([key_limiter] * 20, 3.0)
    assert traffic.inside_max == 1
    assert traffic.finished == 20
    assert anyio.current_time() == pytest.approx(60)


async def test_spacing_counts_from_the_end_of_a_request_to_the_next_start() -> None:
    key_limiter, traffic = KeyLimiter(RateLimiter(8, ANY_RATE), 5.0, capped=True), LimiterTraffic()
    await traffic.send_requests(key_limiter, 5, seconds=2.0)
    assert traffic.compute_gaps() == pytest.approx([7.0] * 4)


async def test_a_request_that_was_cut_off_may_still_arrive_so_the_next_one_waits_for_longer() -> None:
    key_limiter, traffic = KeyLimiter(RateLimiter(8, ANY_RATE), 5.0, capped=True), LimiterTraffic()
    await anyio.sleep(5)
    with anyio.move_on_after(2.0):
        await traffic.send_request(key_limiter, 60.0)
    await traffic.send_request(key_limiter)
    assert traffic.compute_gaps() == pytest.approx([2.0 + WAY_SECONDS_MAX + 5.0])


async def test_the_first_request_waits_out_what_a_predecessor_may_have_asked() -> None:
    await anyio.sleep(100)
    key_limiter, traffic = KeyLimiter(RateLimiter(8, ANY_RATE), 5.0, capped=True), LimiterTraffic()
    await traffic.send_request(key_limiter)
    assert traffic.starts == pytest.approx([100 + 5])
    assert traffic.waits == pytest.approx([5])


async def test_an_idle_key_does_not_wait() -> None:
    key_limiter, traffic = KeyLimiter(RateLimiter(8, ANY_RATE), 5.0, capped=True), LimiterTraffic()
    await anyio.sleep(HOUR)
    await traffic.send_request(key_limiter)
    assert traffic.waits == [0.0]


async def test_keys_do_not_wait_for_each_other_below_the_caps() -> None:
    rate_limiter, traffic = RateLimiter(200, ANY_RATE), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 1.0, capped=True) for _ in range(100)]
    await traffic.send_at_once(key_limiters, 30.0)
    assert traffic.inside_max == 100
    assert anyio.current_time() == pytest.approx(31)


async def test_no_more_are_in_flight_together_than_agreed() -> None:
    rate_limiter, traffic = RateLimiter(7, ANY_RATE), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(40)]
    await traffic.send_at_once(key_limiters, 2.0)
    assert traffic.inside_max == 7
    assert traffic.finished == 40
    assert anyio.current_time() == pytest.approx(2 * 6, abs=TICK)


@pytest.mark.parametrize("rate", [1.0, 4.0, 10.0])
async def test_no_second_holds_more_starts_than_agreed(rate: float) -> None:
    rate_limiter, traffic = RateLimiter(8, rate), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(30)]
    await anyio.sleep(HOUR)
    await traffic.send_at_once(key_limiters * 5, 0.3)
    assert count_starts_per_second_max(traffic.starts) == rate
    known = RESPONSES_MIN + int(rate)
    took = traffic.starts[-1] - traffic.starts[known]
    assert took <= (149 - known) / rate + TICK, "the pace is used up fully once all take the same time"


async def test_pace_that_a_delay_took_is_made_up_for_and_no_rest_is_saved_up() -> None:
    rate_limiter, starts = RateLimiter(100, 10.0), list[float]()

    async def send(begin_seconds: float) -> None:
        async with rate_limiter.acquire("", partial(anyio.sleep, begin_seconds)):
            starts.append(anyio.current_time())

    await anyio.sleep(HOUR)
    async with anyio.create_task_group() as group:
        for begin_seconds in (0.0, 0.05, 0.0, 0.0):
            group.start_soon(send, begin_seconds)
    assert starts == pytest.approx([HOUR, HOUR + 0.15, HOUR + 0.2, HOUR + 0.3])


async def test_who_came_first_is_served_first() -> None:
    rate_limiter, traffic = RateLimiter(2, 5.0), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(12)]
    async with anyio.create_task_group() as group:
        for number, key_limiter in enumerate(key_limiters):
            group.start_soon(traffic.send_request, key_limiter, 1.0, str(number))
            await anyio.sleep(0.01)
    assert traffic.names == [str(number) for number in range(12)]


async def test_a_busy_key_does_not_starve_another() -> None:
    rate_limiter, traffic = RateLimiter(1, ANY_RATE), LimiterTraffic()
    greedy = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(5)]
    modest = KeyLimiter(rate_limiter, 0.0, capped=True)
    async with anyio.create_task_group() as group:
        for key_limiter in greedy:
            group.start_soon(traffic.send_requests, key_limiter, 50, 1.0, "greedy")
        await anyio.sleep(10.5)
        group.start_soon(traffic.send_requests, modest, 3, 1.0, "modest")
    turns = [number for number, name in enumerate(traffic.names) if name == "modest"]
    assert turns == [15, 21, 27], "its turn comes once in each round of six"


async def test_an_office_on_its_own_network_passes_the_caps_by() -> None:
    rate_limiter, traffic, elsewhere = RateLimiter(1, 0.001), LimiterTraffic(), LimiterTraffic()
    near = KeyLimiter(rate_limiter, 0.0, capped=False)
    async with anyio.create_task_group() as group:
        group.start_soon(elsewhere.send_request, KeyLimiter(rate_limiter, 0.0, capped=True), HOUR)
        await anyio.sleep(1)
        await traffic.send_at_once([near] * 5, 2.0)
        assert anyio.current_time() == pytest.approx(11)
        assert elsewhere.inside == 1
    assert traffic.inside_max == 1, "still one at a time"
    assert traffic.waits == pytest.approx([0, 2, 4, 6, 8])


async def test_closing_wakes_waiting_requests_and_lets_running_ones_finish() -> None:
    rate_limiter, traffic = RateLimiter(1, 0.1), LimiterTraffic()
    slow = KeyLimiter(rate_limiter, HOUR, capped=True)
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(3)]
    async with anyio.create_task_group() as group:
        for key_limiter in (key_limiters[0], key_limiters[0], key_limiters[1], key_limiters[2], slow):
            group.start_soon(traffic.send_request, key_limiter, 60.0)
        await anyio.sleep(5)
        assert traffic.inside == 1
        rate_limiter.close()
        await anyio.sleep(TICK)
        assert traffic.closed == [5.0] * 4, "behind the lane's own, for a place, and for the spacing"
        assert traffic.inside == 1
    assert traffic.finished == 1
    assert anyio.current_time() == pytest.approx(60)


async def test_closing_wakes_who_waits_for_the_common_pace() -> None:
    rate_limiter, traffic = RateLimiter(8, 0.001), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(6)]
    async with anyio.create_task_group() as group:
        for key_limiter in key_limiters:
            group.start_soon(traffic.send_request, key_limiter, 1.0)
        await anyio.sleep(5)
        rate_limiter.close()
    assert (traffic.finished, traffic.closed) == (1, [5.0] * 5)


async def test_nothing_starts_after_closing() -> None:
    rate_limiter, traffic = RateLimiter(8, ANY_RATE), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=capped) for capped in (True, False)]
    rate_limiter.close()
    rate_limiter.close()
    for key_limiter in (*key_limiters, KeyLimiter(rate_limiter, 1.0, capped=True)):
        await traffic.send_request(key_limiter)
    with pytest.raises(ShuttingDown):
        await rate_limiter.sleep_until(0.0)
    assert traffic.starts == []
    assert len(traffic.closed) == 3


async def test_sleeping_ends_at_its_time_or_with_the_rate_limiter() -> None:
    rate_limiter = RateLimiter(8, ANY_RATE)
    await rate_limiter.sleep_until(90.0)
    assert anyio.current_time() == pytest.approx(90)
    await rate_limiter.sleep_until(50.0)
    assert anyio.current_time() == pytest.approx(90)
    async with anyio.create_task_group() as group:

        async def close_soon() -> None:
            await anyio.sleep(10)
            rate_limiter.close()

        group.start_soon(close_soon)
        with pytest.raises(ShuttingDown):
            await rate_limiter.sleep_until(HOUR)
    assert anyio.current_time() == pytest.approx(100)


async def test_a_failure_inside_frees_the_way() -> None:
    rate_limiter, traffic = RateLimiter(1, ANY_RATE), LimiterTraffic()
    key_limiter = KeyLimiter(rate_limiter, 0.0, capped=True)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            async with key_limiter.acquire():
                raise ZeroDivisionError
    await traffic.send_request(key_limiter)
    assert traffic.finished == 1


async def cancel_at_random(traffic: LimiterTraffic, limiters: list[KeyLimiter], rng: random.Random, times: int) -> None:
    async def send_cancelled() -> None:
        with anyio.move_on_after(rng.random() * 6):
            await traffic.send_request(rng.choice(limiters), rng.random() * 3)

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(send_cancelled)
            await anyio.sleep(rng.random() * 0.1)


@pytest.mark.parametrize("seed", range(5))
async def test_three_hundred_random_cancellations_leave_the_rate_limiter_at_full_speed(seed: int) -> None:
    rate_limiter, traffic = RateLimiter(4, 10.0), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, spacing, capped=True) for spacing in (0.0, 0.0, 0.2, 1.0, 1.0, 2.0) * 3]
    await cancel_at_random(traffic, key_limiters, random.Random(seed), 450)
    assert 450 - traffic.finished >= 300
    assert traffic.inside == 0
    assert traffic.inside_max <= 4
    assert count_starts_per_second_max(traffic.starts) <= 10

    began, fresh = anyio.current_time(), LimiterTraffic()
    await anyio.sleep(2)
    await fresh.send_at_once(key_limiters)
    assert fresh.finished == len(key_limiters)
    assert anyio.current_time() == pytest.approx(began + 2 + (len(key_limiters) - 1) / 10)


async def test_who_gives_up_waiting_for_the_pace_costs_the_next_one_nothing() -> None:
    rate_limiter, traffic = RateLimiter(50, 1.0), LimiterTraffic()
    key_limiters = [KeyLimiter(rate_limiter, 0.0, capped=True) for _ in range(42)]
    await traffic.send_request(key_limiters[0])
    with anyio.move_on_after(0.5):
        await traffic.send_at_once(key_limiters[1:41])
    await traffic.send_request(key_limiters[41])
    assert traffic.starts == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("seed", range(5))
async def test_closing_among_random_cancellations_leaves_no_request_waiting(seed: int) -> None:
    rate_limiter, traffic, rng = RateLimiter(3, 10.0), LimiterTraffic(), random.Random(seed)
    key_limiters = [KeyLimiter(rate_limiter, 0.1, capped=True) for _ in range(5)]
    async with anyio.create_task_group() as group:
        group.start_soon(cancel_at_random, traffic, key_limiters, rng, 200)
        await anyio.sleep(rng.random() * 10)
        rate_limiter.close()
        closed_at, started = anyio.current_time(), len(traffic.starts)
        await anyio.sleep(3)
        assert traffic.inside == 0
    assert len(traffic.starts) == started
    assert all(at >= closed_at for at in traffic.closed)


async def test_a_key_is_idle_while_its_request_waits_for_its_turn() -> None:
    rate_limiter = RateLimiter(1, 100.0)
    first, second = (KeyLimiter(rate_limiter, 1.0, capped=True) for _ in range(2))

    async def ask() -> None:
        async with second.acquire():
            assert not second.is_idle

    async with first.acquire(), anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.sleep(10.0)
        assert (first.is_idle, second.is_idle) == (False, True)
        tasks.cancel_scope.cancel()
    assert first.is_idle
    async with second.acquire():
        assert not second.is_idle
