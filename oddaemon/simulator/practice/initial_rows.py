"""The initial rows of a practice's database, except families. All follow from the spec."""

from datetime import date, timedelta
from random import Random

from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.practice.families import LAST_NAMES
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_MONTHLY,
    AGING_SERVICE_TIME_DUE,
    DATE_LAST_AGING,
    HEARTBEAT,
    PROGRAM_VERSION,
)

TIME_DUE_DATE = "2000-01-01"  # only the time of AgingServiceTimeDue matters


def find_last_aging_day(spec: PracticeSpec, today: date) -> date | None:
    """The day of the last aging; None: the office never aged."""
    if isinstance(spec.last_aging, date):
        return spec.last_aging
    if spec.last_aging == "never":
        return None
    yesterday = today - timedelta(days=1)
    return yesterday.replace(day=1) if spec.monthly else yesterday


def make_initial_preferences(spec: PracticeSpec, last_aging: date | None) -> dict[str, str]:
    """The rows of table `preference`."""
    return {
        **_make_identity(spec.office_id),
        DATE_LAST_AGING: last_aging.isoformat() if last_aging else "",
        AGING_SERVICE_TIME_DUE: f"{TIME_DUE_DATE} {spec.service_time_due}" if spec.service_time_due else "",
        AGING_BEGIN_DATE_TIME: "",
        AGING_MONTHLY: "1" if spec.monthly else "0",
        PROGRAM_VERSION: spec.program_version,
        HEARTBEAT: "",
    }


def _make_identity(office_id: str) -> dict[str, str]:
    """Make the preferences that an administrator enters about the practice; different for each office id."""
    rng = Random(f"{office_id}:identity")
    return {
        "PracticeTitle": f"Practice {office_id}",
        "PracticePhone": f"{rng.randint(2_010_000_000, 9_899_999_999)}",
        "PracticeAddress": f"{rng.randint(1, 9_999)} {rng.choice(LAST_NAMES)} St",
        "PracticeZip": f"{rng.randint(501, 99_950):05}",
    }


def make_clinic_rows(count: int) -> list[tuple[int, str, str, bool]]:
    """Make clinics as (ClinicNum, Description, Abbr, IsHidden). Every fourth is hidden, and the last of several."""
    return [
        (clinic_num, f"Clinic {clinic_num}", f"C{clinic_num}", clinic_num % 4 == 0 or clinic_num == count > 1)
        for clinic_num in range(1, count + 1)
    ]
