"""What is learned of when runs are complete, and what the next nights cost then."""

import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from oddaemon.core.model import Cadence, Preferences
from oddaemon.core.office.completion import NIGHTS_KEPT, Completion, add_completion, compute_probe_seconds
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.record import record_preferences
from oddaemon.core.office.state import OfficeState
from tests.core.builders import SPEC, make_instant, make_preferences

INTERVAL = 60.0
DUE_AT = make_instant("2026-05-05 02:00")
KNOWN = (Completion(600.0, 590.0),)


def watch(nights: tuple[Completion, ...], complete_seconds: float) -> tuple[int, Completion]:
    """One night: the number of probes, and what the last one showed."""
    elapsed, after, probes = -3600.0, None, 0
    while True:
        elapsed, probes = compute_probe_seconds(nights, elapsed, INTERVAL), probes + 1
        if elapsed >= complete_seconds:
            return probes, Completion(elapsed, after)
        after = elapsed


def learn(draw_seconds: Callable[[], float], count: int = 30) -> tuple[list[int], list[float]]:
    """Many nights: the probes of each, and how long after its completion each run was seen, after the first ten."""
    nights: tuple[Completion, ...] = (Completion(900.0, 840.0),)
    probes, delays = list[int](), list[float]()
    for _ in range(count):
        complete_seconds = draw_seconds()
        number, night = watch(nights, complete_seconds)
        nights = add_completion(nights, night)
        probes.append(number)
        delays.append(night.by_seconds - complete_seconds)
    return probes[10:], delays[10:]


@pytest.mark.parametrize("complete_seconds", [1.0, 30.0, 600.0, 2_400.0])
def test_a_run_that_always_takes_the_same_time_is_seen_soon_by_few_probes(complete_seconds: float) -> None:
    probes, delays = learn(lambda: complete_seconds, 60)
    assert statistics.mean(probes) <= 3
    assert max(delays) <= INTERVAL / 3


def test_runs_that_vary_are_seen_within_twenty_seconds_in_half_of_the_nights() -> None:
    rng = random.Random(1)
    probes, delays = learn(lambda: rng.gauss(600.0, 20.0), 400)
    assert statistics.median(delays) <= 20
    assert statistics.mean(probes) <= 3.5


def test_after_one_long_night_the_next_are_asked_about_as_before() -> None:
    nights = add_completion(KNOWN, Completion(5_000.0, 4_980.0))
    assert compute_probe_seconds(nights, 0.0, INTERVAL) == 600.0


def test_a_run_that_ends_earlier_from_now_on_is_found_by_growing_steps() -> None:
    nights: tuple[Completion, ...] = (Completion(3_600.0, 3_590.0),)
    delays = []
    for _ in range(12):
        night = watch(nights, 600.0)[1]
        nights = add_completion(nights, night)
        delays.append(night.by_seconds - 600.0)
    assert delays[0] == 3_000.0
    assert delays[-1] <= INTERVAL


def test_probes_of_a_run_that_is_overdue_become_rarer_up_to_the_interval() -> None:
    assert compute_probe_seconds(KNOWN, 600.0, INTERVAL) == 620.0
    assert compute_probe_seconds(KNOWN, 640.0, INTERVAL) == 680.0
    assert compute_probe_seconds(KNOWN, 7_000.0, INTERVAL) == 7_060.0


def test_only_the_last_nights_count() -> None:
    nights: tuple[Completion, ...] = ()
    for number in range(NIGHTS_KEPT + 3):
        nights = add_completion(nights, Completion(float(number)))
    assert [night.by_seconds for night in nights] == [3.0, 4.0, 5.0, 6.0, 7.0]


def make_state(preferences: Preferences | None = None) -> OfficeState:
    """An office whose clock is known, the evening before."""
    state = make_initial_state(DUE_AT - timedelta(hours=6))
    return replace(state, skew_seconds=0.0, preferences=preferences or make_preferences("2026-05-04"))


def see(state: OfficeState, minutes: float, last: str, begin: str = "") -> OfficeState:
    return record_preferences(state, make_preferences(last, begin=begin), DUE_AT + timedelta(minutes=minutes), SPEC)


def test_a_night_is_kept_with_the_last_probe_that_found_it_incomplete() -> None:
    state = see(see(make_state(), 5, "2026-05-04"), 7, "2026-05-05")
    assert state.completions == (Completion(420.0, 300.0),)
    assert state.incomplete_at is None


def test_a_date_that_moves_while_the_lock_is_held_is_no_completion_yet() -> None:
    state = see(make_state(), 5, "2026-05-04")
    state = see(state, 6, "2026-05-05", begin="2026-05-05 02:00:01")
    assert state.completions == ()
    assert see(state, 7, "2026-05-05").completions == (Completion(420.0, 360.0),)


def test_a_first_probe_that_finds_the_run_complete_shows_no_beginning() -> None:
    state = see(make_state(), 7, "2026-05-05")
    assert state.completions == (Completion(420.0),)


def test_what_a_person_runs_by_day_is_no_night() -> None:
    cadence = Cadence()
    minutes = (cadence.start_window_seconds + cadence.stuck_after_seconds) / 60
    assert see(make_state(), minutes + 1, "2026-05-05").completions == ()


def test_a_restart_after_the_run_shows_nothing() -> None:
    state = make_state(make_preferences("2026-05-05"))
    assert see(state, 7, "2026-05-05").completions == ()


def test_an_office_without_a_run_time_has_no_nights() -> None:
    preferences = make_preferences("2026-05-05", due="")
    state = record_preferences(make_state(), preferences, DUE_AT, SPEC)
    assert (state.completions, state.incomplete_at) == ((), None)
