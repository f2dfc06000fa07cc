"""The 25 scenarios of the demo: each shows one thing that happens to real offices.

Seconds count from the start of the simulated headquarters. Aging runs happen between second 6 and 22.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from oddaemon.core.model import Condition, Owner

PlanTable = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """The state of an office at the end of the demo."""

    condition: Condition = Condition.FRESH
    reason_contains: str = ""
    """A word of the true cause, which the reason must contain."""
    owner: Owner | None = None
    """Who must act."""
    published: bool = True
    """Whether there is a snapshot."""
    ages_tonight: bool = True
    """Whether aging completes tonight, so that the snapshot must be of tonight's run."""


@dataclass(frozen=True, slots=True)
class OfficeScenario:
    """An office, its faults, and its expected state."""

    id: str
    description: str
    """For a newcomer: what is special about it."""
    office: PlanTable
    """Its `[[office]]` in the simulator's plan, without the id."""
    faults: Sequence[PlanTable] = field(default=())
    """Its `[[fault]]` tables, without the office's id."""
    expected: ExpectedState = field(default=ExpectedState())


ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")

INTERRUPTED_OFFICE = "fir-grove"
"""The daemon is killed while it reads this office."""
ECONNECTOR_BACK_SECONDS = 14.0
MISSED_AGO = timedelta(minutes=80)
"""How long ago the late office's aging was due: the hour of its service is over."""
_NO_SERVICE_SECONDS = 7200.0


def make_scenarios(now: datetime, offices: int, seed: int) -> list[OfficeScenario]:
    """The scenarios, filled up with ordinary offices; `now` is an aware instant just before the night."""
    scenarios = [
        *_make_healthy(),
        *_make_unusual(),
        *_make_transient_failures(),
        *_make_permanent_failures(),
        *_make_without_aging(now),
    ]
    rng = Random(seed)  # noqa: S311 - a seeded world needs reproducible randomness, not cryptography
    ordinary = [_make_ordinary(number, rng) for number in range(1, offices - len(scenarios) + 1)]
    return [*scenarios, *ordinary]


def _make_office(
    zone: int, guarantors: int, due_in_seconds: float, run_seconds: float = 2.0, **more: object
) -> PlanTable:
    return {
        "zone": ZONES[zone],
        "guarantors": guarantors,
        "due_in_seconds": due_in_seconds,
        "run_seconds": run_seconds,
        **more,
    }


def _make_ordinary(number: int, rng: Random) -> OfficeScenario:
    guarantors = round(min(4000.0, rng.lognormvariate(6.0, 0.8)))
    office = _make_office(rng.randrange(len(ZONES)), guarantors, 6 + 8 * rng.random())
    return OfficeScenario(f"office-{number:03}", "an ordinary office", office)


def _make_healthy() -> Sequence[OfficeScenario]:
    return (
        OfficeScenario("alder-creek", "large: 8,000 guarantors", _make_office(0, 8000, 7, 4)),
        OfficeScenario("birch-harbor", "4,100 guarantors", _make_office(1, 4100, 6, 3)),
        OfficeScenario("cedar-falls", "just opened: no guarantors until tonight", _make_office(2, 0, 8, 1, settled=40)),
        OfficeScenario("dogwood-park", "five clinics, one of them hidden", _make_office(3, 1200, 9, clinics=5)),
        OfficeScenario(
            "willow-ridge",
            "configured for debts of clinics 0 and 1 only",
            _make_office(0, 900, 10, clinics=3, config={"include": "debts", "clinics": [0, 1]}),
        ),
        OfficeScenario("laurel-valley", "its first aging ever", _make_office(1, 600, 8, last_aging="never")),
        OfficeScenario(
            "ginkgo-lake", "its service starts aging 8 s late", _make_office(2, 500, 9, start_delay_seconds=8.0)
        ),
    )


def _make_unusual() -> Sequence[OfficeScenario]:
    return (
        OfficeScenario(
            "elm-ridge", "random PatNums, so it is pulled in pages", _make_office(3, 700, 9, pat_nums="random")
        ),
        OfficeScenario(
            INTERRUPTED_OFFICE,
            "rejects the packed statement, so it is pulled in pages; the daemon is killed meanwhile",
            _make_office(0, 2400, 12, refuses=["GROUP_CONCAT"]),
        ),
        OfficeScenario(
            "oak-creek",
            "its front desk posts all the time",
            _make_office(1, 1000, 8, activity_per_hour=3600.0),
        ),
        OfficeScenario(
            "maple-heights",
            "an old version: aging zeroes all balances first",
            _make_office(2, 800, 9, 3, program_version="21.3.27.0", three_decimals=True),
        ),
        OfficeScenario(
            "spruce-park", "its clock is three minutes fast", _make_office(3, 900, 10, clock_skew_seconds=180.0)
        ),
    )


def _make_transient_failures() -> Sequence[OfficeScenario]:
    return (
        OfficeScenario(
            "hazel-hill",
            f"its eConnector is down until second {ECONNECTOR_BACK_SECONDS:g}",
            _make_office(0, 700, 7),
            [{"kind": "econnector_down", "until_seconds": ECONNECTOR_BACK_SECONDS}],
        ),
        OfficeScenario(
            "pine-harbor",
            "rate limited (429, Retry-After)",
            _make_office(1, 500, 8),
            [{"kind": "too_many_requests", "retry_after": "2", "skip": 8, "hits_max": 2}],
        ),
        OfficeScenario(
            "rowan-falls",
            "gateway errors, a truncated response",
            _make_office(2, 1000, 8),
            [
                {"kind": "gateway_error", "status": 502, "skip": 4, "hits_max": 2},
                {"kind": "truncated_body", "calls": ["short_query"], "hits_max": 1},
            ],
        ),
    )


def _make_permanent_failures() -> Sequence[OfficeScenario]:
    return (
        OfficeScenario(
            "juniper-bay",
            "its key is disabled",
            _make_office(3, 400, 8),
            [{"kind": "key_disabled"}],
            ExpectedState(Condition.BLOCKED, "key", Owner.OFFICE, published=False, ages_tonight=False),
        ),
        OfficeScenario(
            "hickory-hill",
            "its key lacks the Queries permission",
            _make_office(0, 400, 8),
            [{"kind": "permission_missing"}],
            ExpectedState(Condition.BLOCKED, "permission", Owner.US, published=False, ages_tonight=False),
        ),
        OfficeScenario(
            "poplar-bend",
            "its eConnector is down all night",
            _make_office(1, 400, 8),
            [{"kind": "econnector_down"}],
            ExpectedState(Condition.UNREACHABLE, "eConnector", Owner.OFFICE, published=False, ages_tonight=False),
        ),
        OfficeScenario(
            "aspen-grove",
            "a cent is added to each response",
            _make_office(2, 600, 8),
            [{"kind": "altered", "alteration": "one_cent_more", "calls": ["short_query"]}],
            ExpectedState(
                Condition.SUSPECT, "nothing was published", Owner.VENDOR, published=False, ages_tonight=False
            ),
        ),
        OfficeScenario(
            "sumac-springs",
            "its aging crashes half-way",
            _make_office(3, 500, 12, crashes="always"),
            expected=ExpectedState(Condition.BLOCKED, "lock", Owner.OFFICE, ages_tonight=False),
        ),
    )


def _make_without_aging(now: datetime) -> Sequence[OfficeScenario]:
    """Offices that do not age tonight, set relative to their own clocks."""
    chicago, denver = (now.astimezone(ZoneInfo(zone)) for zone in (ZONES[1], ZONES[2]))
    missed = (now - MISSED_AGO).astimezone(ZoneInfo(ZONES[0]))
    deadline = (now - timedelta(minutes=1)).astimezone(ZoneInfo(ZONES[0]))
    no_aging = ExpectedState(ages_tonight=False)
    return (
        OfficeScenario(
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
            expected=ExpectedState(Condition.LATE, "did not start", Owner.OFFICE, ages_tonight=False),
        ),
        OfficeScenario(
            "magnolia-way",
            "automated aging is not set up",
            {"zone": ZONES[3], "guarantors": 300, "service_time_due": None},
            expected=ExpectedState(Condition.BLOCKED, "automated aging", Owner.OFFICE, ages_tonight=False),
        ),
        OfficeScenario(
            "cypress-court",
            "never aged, and not due for hours",
            {
                "zone": ZONES[2],
                "guarantors": 200,
                "service_time_due": f"{denver + timedelta(hours=6):%H:%M:%S}",
                "last_aging": "never",
                "config": {"fresh_by": ""},
            },
            expected=ExpectedState(Condition.WAITING, "never run", published=False, ages_tonight=False),
        ),
        OfficeScenario(
            "linden-square",
            "an old version, aged once a month",
            {
                "zone": ZONES[1],
                "guarantors": 700,
                "service_time_due": f"{chicago + timedelta(hours=6):%H:%M:%S}",
                "program_version": "21.3.27.0",
                "monthly": True,
            },
            expected=no_aging,
        ),
        OfficeScenario(
            "redwood-plaza",
            "disabled in the configuration",
            _make_office(3, 300, 8, config={"enabled": False}),
            expected=ExpectedState(Condition.PAUSED, "disabled", Owner.US, published=False, ages_tonight=False),
        ),
    )
