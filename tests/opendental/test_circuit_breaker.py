"""One API host that falls silent, as its answers to many offices show it."""

import anyio
import pytest

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import HOST_FAILURES, OUTAGE_FAILURES
from oddaemon.opendental.circuit_breaker import (
    FAILURE_WINDOW_SECONDS,
    RETRY_FIRST_SECONDS,
    RETRY_MAX_SECONDS,
    RETURN_SECONDS,
    TEST_SECONDS_MAX,
    CircuitBreaker,
)
from oddaemon.simulator.virtual_time import make_virtual_loop

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

SILENCE = Failure(FailureKind.CONNECT)
UNTRUSTED = Failure(FailureKind.TLS, "certificate is not yet valid")


def fail(breaker: CircuitBreaker, office: str, now: float, failure: Failure = SILENCE) -> bool:
    """A request fails. Returns whether that is what opened the breaker."""
    was_up = breaker.outage is None
    breaker.record_failure(office, now, failure)
    return was_up and breaker.outage is not None


def is_open(breaker: CircuitBreaker, now: float, office: str = "other") -> bool:
    return breaker.refuse(office, now) is not None


def make_open_breaker(now: float = 100.0, failure: Failure = SILENCE) -> CircuitBreaker:
    breaker = CircuitBreaker()
    assert [fail(breaker, office, now, failure) for office in ("oak", "elm", "fir")] == [False, False, True]
    return breaker


def test_silence_towards_one_office_or_two_does_not_open_the_breaker() -> None:
    breaker = CircuitBreaker()
    for second in range(50):
        assert not fail(breaker, "oak", float(second))
        assert not fail(breaker, "elm", float(second))
    assert not is_open(breaker, 50.0)


def test_a_response_in_between_resets_the_count() -> None:
    breaker = CircuitBreaker()
    fail(breaker, "oak", 1.0)
    fail(breaker, "elm", 2.0)
    breaker.record_response(2.5)
    assert not fail(breaker, "fir", 3.0)
    assert not is_open(breaker, 3.0)


def test_silence_of_long_ago_says_nothing() -> None:
    breaker = CircuitBreaker()
    fail(breaker, "oak", 1.0)
    fail(breaker, "elm", 2.0)
    assert not fail(breaker, "fir", 1.5 + FAILURE_WINDOW_SECONDS)
    assert not is_open(breaker, 700.0)


def test_one_probe_at_a_time_and_each_later_than_the_one_before() -> None:
    breaker, now = make_open_breaker(), 100.0
    waits = []
    for _ in range(8):
        before = now
        while is_open(breaker, now):
            now += 0.5
        waits.append(now - before)
        breaker.record_start("oak", now)
        assert is_open(breaker, now + TEST_SECONDS_MAX - 1.0), "a test is in flight"
        assert not fail(breaker, "oak", now)
    assert waits == [RETRY_FIRST_SECONDS, 10.0, *[RETRY_MAX_SECONDS] * 6]


def test_a_probe_that_hangs_does_not_hold_up_the_next_one() -> None:
    breaker = make_open_breaker()
    breaker.record_start("oak", 110.0)
    assert is_open(breaker, 110.0 + TEST_SECONDS_MAX - 0.1)
    assert not is_open(breaker, 110.0 + TEST_SECONDS_MAX)


def test_requests_sent_before_the_breaker_opened_are_no_probes() -> None:
    breaker = make_open_breaker()
    for office in ("ash", "yew", "box"):
        assert not fail(breaker, office, 101.0)
    assert not is_open(breaker, 100.0 + RETRY_FIRST_SECONDS)


def test_a_cancelled_probe_is_given_to_the_next_request() -> None:
    breaker = make_open_breaker()
    breaker.record_start("oak", 200.0)
    breaker.record_cancelled("elm")
    assert is_open(breaker, 200.0)
    breaker.record_cancelled("oak")
    assert not is_open(breaker, 200.0)


def test_the_first_response_closes_it() -> None:
    breaker = make_open_breaker(100.0)
    assert breaker.outage is not None
    assert breaker.outage.since == 100.0
    breaker.record_start("oak", 110.0)
    breaker.record_response(110.0)
    assert not is_open(breaker, 110.0)
    assert not fail(breaker, "oak", 111.0)


@pytest.mark.parametrize("failure", [UNTRUSTED, Failure(FailureKind.NAME_UNRESOLVED)], ids=lambda each: each.kind)
def test_what_this_machine_refuses_is_reported_for_every_office_as_it_is(failure: Failure) -> None:
    refusal = make_open_breaker(100.0, failure).refuse("ash", 101.0)
    assert refusal is not None
    assert (refusal.kind, refusal.message) == (failure.kind, failure.message)


async def test_offices_test_the_host_in_turn_and_all_return_soon_after_it_answers() -> None:
    breaker, turns = make_open_breaker(anyio.current_time()), list[tuple[float, str]]()
    began = anyio.current_time()

    async def wait(office: str, place: float) -> None:
        await breaker.wait_for_turn(office, place)
        turns.append((round(anyio.current_time() - began, 3), office))
        if len(turns) == 4:
            breaker.record_response(anyio.current_time())
        elif breaker.outage is not None:
            breaker.record_failure(office, anyio.current_time(), SILENCE)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(wait, f"office-{number}", number / 10)
    assert [office for _, office in turns] == [f"office-{number}" for number in range(10)]
    assert [at for at, _ in turns[:4]] == [5.0, 15.0, 35.0, 55.0]
    assert [at - 55.0 for at, _ in turns[4:]] == pytest.approx(
        [number / 10 * RETURN_SECONDS for number in range(4, 10)]
    )


async def test_a_recovery_between_a_failure_and_the_wait_for_it_is_not_missed() -> None:
    breaker = make_open_breaker(anyio.current_time())
    assert breaker.refuse("ash", anyio.current_time())
    breaker.record_response(anyio.current_time())
    with anyio.fail_after(RETURN_SECONDS):
        await breaker.wait_for_turn("ash", 0.5)


class TurnCounter(CircuitBreaker):
    """A breaker that counts how often an office has computed its turn."""

    turns_computed = 0

    def _find_turn(self, office_id: str, failed_at: float) -> float:
        TurnCounter.turns_computed += 1
        return super()._find_turn(office_id, failed_at)


async def test_news_of_the_host_wakes_the_next_office_and_not_the_whole_fleet() -> None:
    breaker, offices, returned = TurnCounter(), 1000, list[int]()
    for office in ("oak", "elm", "fir"):
        fail(breaker, office, anyio.current_time())

    async def return_to_work(number: int) -> None:
        await breaker.wait_for_turn(f"office-{number}", number / offices)
        returned.append(number)

    async with anyio.create_task_group() as tasks:
        for number in reversed(range(offices)):
            tasks.start_soon(return_to_work, number)
        await anyio.sleep(RETRY_FIRST_SECONDS - 1)
        for _ in range(100):
            breaker.record_failure("oak", anyio.current_time(), SILENCE)
        await anyio.sleep(2)
        assert returned == [offices - 1], "the first in the queue tests the host"
        recovered_at = anyio.current_time()
        breaker.record_response(recovered_at)
    assert returned[1:] == list(range(offices - 1)), "each in its own place"
    assert anyio.current_time() - recovered_at <= RETURN_SECONDS
    assert TurnCounter.turns_computed <= 4 * offices


@pytest.mark.parametrize(
    "kind",
    [
        *(FailureKind.THROTTLED, FailureKind.ECONNECTOR_DOWN, FailureKind.GATEWAY_TIMEOUT, FailureKind.KEY_REJECTED),
        *sorted(HOST_FAILURES),
    ],
)
def test_neither_a_refusal_nor_trouble_of_this_machine_is_an_outage(kind: FailureKind) -> None:
    assert kind not in OUTAGE_FAILURES
