"""Politeness where it counts: in headquarters' own log, whatever the way of each request takes."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial

import anyio
import pytest

from oddaemon.core.model import OfficeCredentials
from oddaemon.core.secret import Secret
from oddaemon.opendental.arrivals import (
    QUICKEST_KEPT,
    RESPONSES_MIN,
    SPREADS,
    WAY_SECONDS_MAX,
    WINDOW_SECONDS,
    ArrivalWindow,
    QuickestResponses,
)
from oddaemon.opendental.client import Api, Limits, OfficeApi
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.headquarters.traffic_log import find_violations
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.httpx_transport import SimulatedTransport
from oddaemon.simulator.virtual_time import make_virtual_loop

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

OPENED = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
BASE_URL = "https://api.example.com/api/v1"
OFFICES = 60
RATE = 20.0
SECONDS = 120.0
ROUNDING_SECONDS = 1e-6
Ways = Callable[[random.Random], float]


def draw_even(rng: random.Random, longest_seconds: float) -> float:
    return rng.random() * longest_seconds


def draw_with_stragglers(rng: random.Random) -> float:
    return rng.uniform(0.3, WAY_SECONDS_MAX) if rng.random() < 0.02 else rng.uniform(0.01, 0.02)


def draw_with_hiccups(rng: random.Random) -> float:
    """Now and then nothing gets through, and then everything arrives at once."""
    del rng
    since = anyio.current_time() % 7.0
    return max(0.01, 0.8 - since)


WAYS: dict[str, Ways] = {
    "none": lambda _: 0.0,
    "short": partial(draw_even, longest_seconds=0.02),
    "long": partial(draw_even, longest_seconds=0.9),
    "exponential": lambda rng: min(WAY_SECONDS_MAX, rng.expovariate(10.0)),
    "stragglers": draw_with_stragglers,
    "hiccups": draw_with_hiccups,
}


async def ask_for_ever(office: OfficeApi, rng: random.Random) -> None:
    while True:
        async with office.session() as session:
            for _ in range(rng.randint(1, 4)):
                await session.get_preference("DateLastAging")
            if rng.random() < 0.3:
                await session.query("SELECT NOW() AS OfficeNow", list)


async def collect_traffic(draw: Ways, seed: int, rate: float = RATE) -> Headquarters:
    """Many offices ask as often as they may."""
    rng, clock = random.Random(seed), WorldClock(OPENED)
    names = [f"office-{number}" for number in range(OFFICES)]
    specs = [PracticeSpec(name, 1, zone="UTC", guarantors=1, last_aging=date(2026, 3, 2)) for name in names]
    headquarters = Headquarters(
        clock,
        [Practice(spec, clock) for spec in specs],
        [ApiKey(f"key of {name}", name) for name in names],
        HeadquartersOptions(developer_key="developer", base_seconds=0.05, query_seconds=0.1),
    )
    api = Api(
        RateLimiter(max_in_flight=40, max_requests_per_second=rate),
        Limits(connect_timeout_seconds=10.0, request_timeout_seconds=75.0, max_response_bytes=65_536),
        lambda _: None,
        clock.now,
        lambda: SimulatedTransport(headquarters, lambda: draw(rng)),
    )
    with anyio.move_on_after(SECONDS):
        async with anyio.create_task_group() as tasks:
            for name in names:
                credentials = OfficeCredentials(
                    name, Secret("developer"), Secret(f"key of {name}"), BASE_URL, 1.0, remote=True
                )
                tasks.start_soon(ask_for_ever, api.make_office_api(credentials), rng)
    return headquarters


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("ways", WAYS)
async def test_no_request_arrives_too_soon_and_no_second_has_too_many_whatever_the_way_takes(
    ways: str, seed: int
) -> None:
    headquarters = await collect_traffic(WAYS[ways], seed)
    found = find_violations(
        headquarters.traffic,
        max_in_flight=40,
        max_requests_per_second=RATE,
        tolerance_seconds=ROUNDING_SECONDS,
    )
    assert found == []
    assert len(headquarters.traffic) > RATE * SECONDS * 0.4


@pytest.mark.parametrize("ways", ["none", "short"])
async def test_an_even_way_costs_next_to_nothing_of_the_pace(ways: str) -> None:
    headquarters = await collect_traffic(WAYS[ways], seed=3)
    late = [each for each in headquarters.traffic if each.arrived_seconds >= SECONDS / 2]
    assert len(late) >= RATE * SECONDS / 2 / 1.05


def test_a_request_counts_until_a_second_after_it_had_certainly_arrived() -> None:
    window = ArrivalWindow(1.0)
    departure = window.begin("probe")
    window.record_sent(departure, 10.0)
    assert window.find_room(10.5) == 10.0 + WAY_SECONDS_MAX + WINDOW_SECONDS
    window.record_answered(departure, 10.6)
    assert window.find_room(10.7) == 10.6 + WINDOW_SECONDS
    assert window.find_room(10.6 + WINDOW_SECONDS) == 10.6 + WINDOW_SECONDS


def test_a_request_that_waits_for_its_connection_counts_for_as_long_as_it_does() -> None:
    window = ArrivalWindow(1.0)
    departure = window.begin("probe")
    assert window.find_room(60.0) is None
    window.record_sent(departure, 60.0)
    assert window.find_room(60.0) == 60.0 + WAY_SECONDS_MAX + WINDOW_SECONDS


def test_a_request_that_is_worked_on_for_long_holds_up_no_other() -> None:
    window = ArrivalWindow(1.0)
    departure = window.begin("statement")
    window.record_sent(departure, 10.0)
    until = 10.0 + WAY_SECONDS_MAX + WINDOW_SECONDS
    assert window.find_room(until) == until
    window.begin("statement")
    window.record_answered(departure, 30.0)
    assert window.find_room(40.0) is None, "it counts once"


def test_a_cap_may_change_and_a_part_of_a_request_is_none() -> None:
    window = ArrivalWindow(2.9)
    window.begin("probe")
    assert window.find_room(1.0) == 1.0
    window.begin("probe")
    assert window.find_room(1.0) is None
    window.set_cap(3.0)
    assert window.find_room(1.0) == 1.0
    window.set_cap(0.1)
    assert window.find_room(1.0) is None


def test_what_every_response_takes_is_known_once_the_quickest_ones_agree() -> None:
    responses = QuickestResponses()
    for _ in range(RESPONSES_MIN - 1):
        responses.record(0.5)
    assert responses.certain_seconds == 0.0
    responses.record(0.7)
    assert responses.certain_seconds == 0.5
    responses.record(0.4)
    assert responses.certain_seconds == pytest.approx(0.4 - SPREADS * 0.1), "a quicker one may come"
    responses.record(0.1)
    assert responses.certain_seconds == 0.0
    for _ in range(QUICKEST_KEPT):
        responses.record(0.1)
    assert responses.certain_seconds == 0.1
