"""The scenarios: a few small offices, their first snapshot, a second aging, the snapshot after it.

A scenario is short in real time and the same on each run: the offices stand where it is about noon, so that no run
crosses a midnight, and their aging runs when the scenario starts it, not when a clock does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.faults.faults import EConnectorDown, GatewayError, ScheduledFault, TooManyRequests
from oddaemon.simulator.model.spec import PracticeSpec

PAGE_ROWS = 20
"""The server's cap on the rows of an answer: an office of 150 guarantors is eight pages."""
GROUP_ROWS = 3
"""The same for packed rows: an office with gaps in its PatNums is three statements."""
SPACING_SECONDS = 0.01


@dataclass(frozen=True)
class ScenarioOffice:
    """An office, and its table in the daemon's configuration."""

    spec: PracticeSpec
    settings: Mapping[str, object]
    rows_max: int | None = None

    @property
    def id(self) -> str:
        """Its name everywhere."""
        return self.spec.office_id

    @property
    def key(self) -> ApiKey:
        """Its one key."""
        return ApiKey(
            f"planted-customer-key-{self.id}",
            self.id,
            spacing_override_seconds=SPACING_SECONDS,
            rows_override=self.rows_max,
        )

    def make_table(self) -> dict[str, object]:
        """Its `[[office]]`."""
        return {
            "id": self.id,
            "customer_key": self.key.customer_key,
            "min_interval_seconds": SPACING_SECONDS,
            **self.settings,
        }


@dataclass(frozen=True)
class Scenario:
    """One course of events, run once for each kill.

    Attributes:
        name: In tables and replays.
        offices: Its offices.
        faults: The faults planted at headquarters.
        overtaken_at_page: The second aging runs while the first pull asks for this page, counted from 1; None: once
            all offices are fresh.
    """

    name: str
    offices: tuple[ScenarioOffice, ...]
    faults: tuple[ScheduledFault, ...] = ()
    overtaken_at_page: int | None = None


def make_scenarios(zone: str) -> dict[str, Scenario]:
    """All of them by name, in a zone where it is day."""
    packed = _make_office("packed", 1, zone)
    paged = _make_office("paged", 2, zone, rows_max=PAGE_ROWS, reader="pages")
    sparse = _make_office("sparse", 3, zone, rows_max=GROUP_ROWS)
    elsewhere = ScenarioOffice(_make_office("elsewhere", 4, zone).spec, {})
    all_scenarios = (
        Scenario("statement", (packed,)),
        Scenario("pages", (paged,)),
        Scenario("parts", (sparse,)),
        Scenario("overtaken", (paged,), overtaken_at_page=5),
        Scenario("troubled", (paged,), faults=_FAULTS),
        Scenario("fleet", (packed, paged, sparse, elsewhere)),
    )
    return {scenario.name: scenario for scenario in all_scenarios}


def find_noon_zone() -> str:
    """An IANA zone in which it is between noon and one o'clock."""
    hours_behind_utc = datetime.now(UTC).hour - 12
    return f"Etc/GMT{hours_behind_utc:+d}" if hours_behind_utc else "Etc/GMT"


_FAULTS = (
    ScheduledFault(TooManyRequests("1"), hits_max=1),
    ScheduledFault(EConnectorDown(), skip=3, hits_max=2),
    ScheduledFault(GatewayError(), skip=14, hits_max=2),
    ScheduledFault(TooManyRequests("1"), skip=18, hits_max=1),
)
"""Refused for a second, asleep, broken, and refused again in the middle of the pages."""


def _make_office(
    office_id: str, seed: int, zone: str, *, rows_max: int | None = None, **settings: object
) -> ScenarioOffice:
    pat_nums: Literal["dense", "sparse"] = "sparse" if office_id == "sparse" else "dense"
    spec = PracticeSpec(
        office_id,
        seed,
        zone=zone,
        guarantors=150,
        settled=40,
        pat_nums=pat_nums,
        service_time_due="22:00:00",
        run_seconds=0.02,
    )
    return ScenarioOffice(spec, {"timezone": zone, **settings}, rows_max)
