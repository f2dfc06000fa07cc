"""Table `preference` of one office: settings and the state of aging, all as text."""

from collections.abc import Callable
from datetime import date
from random import Random

from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.mysql.tables import Tables
from oddaemon.simulator.practice.families import LAST_NAMES

DATE_LAST_AGING = "DateLastAging"
AGING_BEGIN_DATE_TIME = "AgingBeginDateTime"
AGING_SERVICE_TIME_DUE = "AgingServiceTimeDue"
AGING_MONTHLY = "AgingCalculatedMonthlyInsteadOfDaily"
HEARTBEAT = "OpenDentalServiceHeartbeat"
PROGRAM_VERSION = "ProgramVersion"

FIRST_PREF_NUM = 15
OTHER_PREFERENCES = 130
"""More than fit on a page; an office has about 1,000."""
TIME_DUE_DATE = "2000-01-01"  # only the time of AgingServiceTimeDue matters


class Preferences:
    """Names, numbers and values, equal here and in the database. Names compare without case, as in MySQL.

    Args:
        tables: The database.
        values: The values at the beginning.
        get_seconds: Returns the time since the world began.
    """

    def __init__(self, tables: Tables, values: dict[str, str], get_seconds: Callable[[], float]) -> None:
        self._tables = tables
        self._get_seconds = get_seconds
        self._aging_history: dict[str, list[tuple[float, str]]] = {
            name.lower(): [] for name in (DATE_LAST_AGING, AGING_BEGIN_DATE_TIME)
        }
        self._rows: dict[str, tuple[int, str, str]] = {}
        for name, value in values.items():
            self.put(name, value)

    def put(self, pref_name: str, value: str) -> None:
        """Set a preference, creating it if it is new."""
        known = self._rows.get(pref_name.lower())
        if known is not None and known[2] == value:
            return
        pref_num, name = known[:2] if known else (FIRST_PREF_NUM + len(self._rows), pref_name)
        self._rows[pref_name.lower()] = (pref_num, name, value)
        self._tables.put_preference(pref_num, name, value)
        if (history := self._aging_history.get(pref_name.lower())) is not None:
            history.append((self._get_seconds(), value))

    def get(self, pref_name: str) -> str:
        """The value; empty if there is no such preference."""
        row = self._rows.get(pref_name.lower())
        return row[2] if row else ""

    def get_version(self) -> tuple[int, ...]:
        """The present version of the office's program; a change of the preference is an update."""
        return tuple(map(int, self.get(PROGRAM_VERSION).split(".")))

    def list_rows(self, pref_name: str | None, age_seconds: float = 0.0) -> list[dict[str, object]]:
        """The rows of `GET /preferences`; without a name all rows, those of aging not on the first page.

        Args:
            pref_name: The only preference that is wanted; None: all.
            age_seconds: How old the state of aging in the response is.
        """
        if pref_name is not None:
            key = pref_name.lower()
            return [self._make_row(key, age_seconds)] if key in self._rows else []
        others = [
            {"PrefNum": -number, "PrefName": f"OtherSetting{number:03}", "ValueString": "0"}
            for number in range(OTHER_PREFERENCES)
        ]
        return others + [self._make_row(key, age_seconds) for key in self._rows]

    def _make_row(self, key: str, age_seconds: float) -> dict[str, object]:
        pref_num, name, value = self._rows[key]
        return {"PrefNum": pref_num, "PrefName": name, "ValueString": self._find_past(key, value, age_seconds)}

    def _find_past(self, key: str, value: str, age_seconds: float) -> str:
        history = self._aging_history.get(key)
        if not age_seconds or not history:
            return value
        then = self._get_seconds() - age_seconds
        return next((past for since, past in reversed(history) if since <= then), history[0][1])


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
