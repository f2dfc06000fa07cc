"""Scenarios written by hand, small enough to know the right outcome."""

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from oddaemon.core.model import Cadence, OfficeCredentials, OfficeSpec
from oddaemon.settings import OfficeSettings, Secret
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.simulation.incidents.incident import Incident
from tests.simulation.scenario.fleet import (
    DEVELOPER_KEY,
    FIRST_PAT_NUM,
    PAT_NUMS_AN_OFFICE,
    FleetMember,
    SimulatedFleet,
)
from tests.simulation.scenario.scenario import Scenario

ELM, OAK, FIR = "office-1", "office-2", "office-3"
EVENING = datetime(2026, 5, 13, 5, tzinfo=UTC)
"""22:00 in Los Angeles: the first aging is due four hours later."""
DUE = 4 * 3600.0
RUN_SECONDS = 60.0


def make_member(office_id: str = ELM, **overrides: Any) -> FleetMember:
    """An office in Los Angeles, due at two; further arguments go to its practice or to its settings."""
    number = int(office_id.rpartition("-")[2])
    office_overrides = {name: overrides.pop(name) for name in ("reader", "clinics", "include") if name in overrides}
    zone = overrides.pop("configured_zone", ZoneInfo("America/Los_Angeles"))
    overrides.setdefault("guarantors", 30)
    overrides.setdefault("run_seconds", RUN_SECONDS)
    spec = PracticeSpec(
        office_id, seed=number, settled=5, first_pat_num=FIRST_PAT_NUM + number * PAT_NUMS_AN_OFFICE, **overrides
    )
    office = OfficeSpec(office_id, f"Practice {office_id}", zone=zone, fresh_by=time(7), **office_overrides)
    developer_key, key = Secret(DEVELOPER_KEY), Secret(CUSTOMER_KEY_PREFIX + office_id)
    return FleetMember(
        spec,
        OfficeSettings(
            office,
            OfficeCredentials(office_id, developer_key, key, "http://127.0.0.1:1/api/v1", 1.0, remote=True),
            source=Path("o.toml"),
        ),
    )


def make_scenario(
    *incidents: Incident, members: tuple[FleetMember, ...] = (), nights: int = 1, **cadence: float
) -> Scenario:
    """One night of one office by default, probed once an hour while nothing is due."""
    cadence.setdefault("idle_probe_seconds", 3600.0)
    return Scenario(0, SimulatedFleet(EVENING, nights, members or (make_member(),), Cadence(**cadence)), incidents)
