"""An office in which all is well, as it was observed; a test changes what it is about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from oddaemon.core.diagnostics.checks import run_checks
from oddaemon.core.diagnostics.diagnosis import (
    CheckName,
    CheckOutcome,
    CheckResult,
    ClinicShare,
    Clocks,
    Connectivity,
    Diagnosis,
    Observations,
    PatNumDensity,
    RegisteredKeys,
)
from oddaemon.core.model import ControlQueryResult, ControlTotals, OfficeSpec

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
"""09:00 in Chicago."""
LOCAL = datetime(2026, 3, 3, 9, 0)  # noqa: DTZ001  an office's clock is naive
PREFERENCES: Mapping[str, str] = {
    "ProgramVersion": "25.4.48.0",
    "PracticeTitle": "Elm Dental",
    "AgingBeginDateTime": "",
    "DateLastAging": "2026-03-03",
    "AgingServiceTimeDue": "2000-01-01 02:00:00",
    "AgingCalculatedMonthlyInsteadOfDaily": "0",
    "OpenDentalServiceHeartbeat": "2026-03-03 08:59:00",
}
REACH = Connectivity(
    "api.opendental.com",
    443,
    secure=True,
    addresses=("192.0.2.1", "192.0.2.2"),
    protocol="TLSv1.3",
    certificate_ends_at=NOW + timedelta(days=60),
)


def make_control(guarantors: int = 4132) -> ControlQueryResult:
    naive = NOW.replace(tzinfo=None)
    return ControlQueryResult(ControlTotals(guarantors, *[0] * 8), "2026-03-03", "", LOCAL, naive)


def make_checked_office(
    zone: tzinfo | None = CHICAGO,
    *,
    remote: bool = True,
    developer_name: str = "Elm",
    previous_key_for: timedelta = timedelta(),
    **overrides: Any,
) -> dict[str, Any]:
    """How an office is configured, by the fields of `Observations`."""
    return {
        "spec": OfficeSpec("elm", "Elm", zone=zone, **overrides),
        "remote": remote,
        "min_interval_seconds": 1.0,
        "previous_key_for": previous_key_for,
        "developer_name": developer_name,
    }


def observe_only(connectivity: Connectivity = REACH, **observed: Any) -> Observations:
    """What was observed of an office of which nothing else was asked."""
    return Observations(**make_checked_office(), at=NOW, connectivity=connectivity, **observed)


WELL = observe_only(
    clocks=Clocks(LOCAL, NOW.replace(tzinfo=None), NOW),
    zones=("America/Chicago", "America/Regina"),
    preferences=PREFERENCES,
    preferences_at=NOW,
    report_seconds=2.1,
    clinics=(1, 2),
    clinic_shares=(ClinicShare(0, 40, None), ClinicShare(1, 4000, hidden=False), ClinicShare(3, 92, hidden=True)),
    control=make_control(),
    density=PatNumDensity(4132, 3),
    registered_keys=RegisteredKeys(ours=True, count=1),
    seconds_per_request=0.2,
)


def make_observations(**changed: Any) -> Observations:
    """What was observed, all well but for what is changed."""
    return replace(WELL, **changed)


def observe_preferences(**preferences: str) -> Observations:
    """The office whose preferences differ so."""
    return make_observations(preferences={**PREFERENCES, **preferences})


def find_check(
    name: CheckName, observed: Observations = WELL, who: Mapping[str, Any] = MappingProxyType({})
) -> CheckResult:
    return run_checks(replace(observed, **who))[name]


def list_outcomes(
    observed: Observations, who: Mapping[str, Any] = MappingProxyType({})
) -> dict[CheckName, CheckOutcome]:
    results = run_checks(replace(observed, **who))
    return {name: each.outcome for name, each in results.items()}


def make_diagnosis(observed: Observations = WELL, office: str = "elm") -> Diagnosis:
    return Diagnosis(office, office.title(), NOW, "doctor", run_checks(observed))
