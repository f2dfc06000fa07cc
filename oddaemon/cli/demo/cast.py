"""The 25 offices of the demo's night: each shows one thing that happens to real ones.

Seconds count from the start of the simulated headquarters. Whoever ages does so between second 6 and 22 of the night.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from oddaemon.cli.demo.character import Character, Expectation, Table
from oddaemon.core.model import Condition, Owner

ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")

VICTIM = "fir-grove"
"""The daemon is killed while it reads this office."""
ECONNECTOR_BACK_SECONDS = 14.0
MISSED_AGO = timedelta(minutes=80)
"""How long ago the late office's run was due: the service's hour is over."""
_NO_SERVICE_SECONDS = 7200.0


def cast(now: datetime, offices: int, seed: int) -> list[Character]:
    """The cast, and as many ordinary offices as are missing to the number; `now` is aware, just before the night."""
    characters = [*_healthy(), *_odd(), *_passing_troubles(), *_standing_troubles(), *_not_tonight(now)]
    rng = Random(seed)  # noqa: S311 - a seeded world needs reproducible randomness, not cryptography
    ordinary = [_ordinary(number, rng) for number in range(1, offices - len(characters) + 1)]
    return [*characters, *ordinary]


def _office(zone: int, guarantors: int, due_in_seconds: float, run_seconds: float = 2.0, **more: object) -> Table:
    return {
        "zone": ZONES[zone],
        "guarantors": guarantors,
        "due_in_seconds": due_in_seconds,
        "run_seconds": run_seconds,
        **more,
    }


def _ordinary(number: int, rng: Random) -> Character:
    guarantors = round(min(4000.0, rng.lognormvariate(6.0, 0.8)))
    office = _office(rng.randrange(len(ZONES)), guarantors, 6 + 8 * rng.random())
    return Character(f"office-{number:03}", "an ordinary office", office)


def _healthy() -> Sequence[Character]:
    return (
        Character("alder-creek", "large: 8,000 guarantors", _office(0, 8000, 7, 4)),
        Character("birch-harbor", "4,100 guarantors", _office(1, 4100, 6, 3)),
        Character("cedar-falls", "just opened: no guarantor until tonight", _office(2, 0, 8, 1, settled=40)),
        Character("dogwood-park", "five clinics, one of them hidden", _office(3, 1200, 9, clinics=5)),
        Character(
            "willow-ridge",
            "only debts of clinics 0 and 1 are wanted",
            _office(0, 900, 10, clinics=3, config={"include": "debts", "clinics": [0, 1]}),
        ),
        Character("laurel-valley", "the first aging of its life", _office(1, 600, 8, last_aging="never")),
        Character("ginkgo-lake", "its service starts aging 8 s late", _office(2, 500, 9, start_delay_seconds=8.0)),
    )


def _odd() -> Sequence[Character]:
    return (
        Character("elm-ridge", "random PatNums, so it is read in pages", _office(3, 700, 9, pat_nums="random")),
        Character(
            VICTIM,
            "refuses the packed statement; the daemon is killed while it reads page after page",
            _office(0, 2400, 12, refuses=["GROUP_CONCAT"]),
        ),
        Character(
            "oak-creek",
            "its front desk posts all the time",
            _office(1, 1000, 8, activity_per_hour=3600.0),
        ),
        Character(
            "maple-heights",
            "an old version: aging zeroes all balances first",
            _office(2, 800, 9, 3, program_version="21.3.27.0", three_decimals=True),
        ),
        Character("spruce-park", "its clock is three minutes fast", _office(3, 900, 10, clock_skew_seconds=180.0)),
    )


def _passing_troubles() -> Sequence[Character]:
    return (
        Character(
            "hazel-hill",
            f"its eConnector is down until second {ECONNECTOR_BACK_SECONDS:g}",
            _office(0, 700, 7),
            [{"kind": "econnector_down", "until_seconds": ECONNECTOR_BACK_SECONDS}],
        ),
        Character(
            "pine-harbor",
            "told to slow down (429, Retry-After)",
            _office(1, 500, 8),
            [{"kind": "too_many_requests", "retry_after": "2", "skip": 8, "hits_max": 2}],
        ),
        Character(
            "rowan-falls",
            "gateway errors, an answer cut in half",
            _office(2, 1000, 8),
            [
                {"kind": "gateway_error", "status": 502, "skip": 4, "hits_max": 2},
                {"kind": "truncated_body", "calls": ["short_query"], "hits_max": 1},
            ],
        ),
    )


def _standing_troubles() -> Sequence[Character]:
    return (
        Character(
            "juniper-bay",
            "its key is disabled",
            _office(3, 400, 8),
            [{"kind": "key_disabled"}],
            Expectation(Condition.BLOCKED, "key", Owner.OFFICE, published=False, tonight=False),
        ),
        Character(
            "hickory-hill",
            "its key lacks the Queries permission",
            _office(0, 400, 8),
            [{"kind": "permission_missing"}],
            Expectation(Condition.BLOCKED, "permission", Owner.US, published=False, tonight=False),
        ),
        Character(
            "poplar-bend",
            "its eConnector is down all night",
            _office(1, 400, 8),
            [{"kind": "econnector_down"}],
            Expectation(Condition.UNREACHABLE, "eConnector", Owner.OFFICE, published=False, tonight=False),
        ),
        Character(
            "aspen-grove",
            "something adds a cent to each answer",
            _office(2, 600, 8),
            [{"kind": "altered", "alteration": "one_cent_more", "calls": ["short_query"]}],
            Expectation(Condition.SUSPECT, "nothing was published", Owner.VENDOR, published=False, tonight=False),
        ),
        Character(
            "sumac-springs",
            "its aging crashes half-way",
            _office(3, 500, 12, crashes="always"),
            expected=Expectation(Condition.BLOCKED, "never finished", Owner.OFFICE, tonight=False),
        ),
    )


def _not_tonight(now: datetime) -> Sequence[Character]:
    """Offices that do not age tonight, placed on their own clocks of this moment."""
    chicago, denver = (now.astimezone(ZoneInfo(zone)) for zone in (ZONES[1], ZONES[2]))
    missed = (now - MISSED_AGO).astimezone(ZoneInfo(ZONES[0]))
    deadline = (now - timedelta(minutes=1)).astimezone(ZoneInfo(ZONES[0]))
    still = Expectation(tonight=False)
    return (
        Character(
            "chestnut-row",
            "its service is down: aging is late",
            {
                "zone": ZONES[0],
                "guarantors": 500,
                "service_time_due": f"{missed:%H:%M:%S}",
                "start_delay_seconds": _NO_SERVICE_SECONDS,
                "last_aging": missed.date() - timedelta(days=1),
                "config": {"fresh_by": f"{deadline:%H:%M}"},
            },
            expected=Expectation(Condition.LATE, "did not start", Owner.OFFICE, tonight=False),
        ),
        Character(
            "magnolia-way",
            "automated aging is switched off",
            {"zone": ZONES[3], "guarantors": 300, "service_time_due": None},
            expected=Expectation(Condition.BLOCKED, "switched off", Owner.OFFICE, tonight=False),
        ),
        Character(
            "cypress-court",
            "never aged, and not due for hours",
            {
                "zone": ZONES[2],
                "guarantors": 200,
                "service_time_due": f"{denver + timedelta(hours=6):%H:%M:%S}",
                "last_aging": "never",
                "config": {"fresh_by": ""},
            },
            expected=Expectation(Condition.WAITING, "never run", published=False, tonight=False),
        ),
        Character(
            "linden-square",
            "an old version, aged once a month",
            {
                "zone": ZONES[1],
                "guarantors": 700,
                "service_time_due": f"{chicago + timedelta(hours=6):%H:%M:%S}",
                "program_version": "21.3.27.0",
                "monthly": True,
            },
            expected=still,
        ),
        Character(
            "redwood-plaza",
            "switched off in the configuration",
            _office(3, 300, 8, config={"enabled": False}),
            expected=Expectation(Condition.PAUSED, "Switched off", Owner.US, published=False, tonight=False),
        ),
    )
