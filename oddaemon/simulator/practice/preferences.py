"""Table `preference` of one office: settings and the state of aging, all as text."""

from oddaemon.simulator.mysql.tables import Tables

DATE_LAST_AGING = "DateLastAging"
AGING_BEGIN_DATE_TIME = "AgingBeginDateTime"
AGING_SERVICE_TIME_DUE = "AgingServiceTimeDue"
AGING_MONTHLY = "AgingCalculatedMonthlyInsteadOfDaily"
HEARTBEAT = "OpenDentalServiceHeartbeat"
PROGRAM_VERSION = "ProgramVersion"

FIRST_PREF_NUM = 15


class Preferences:
    """Names, numbers and values, equal here and in the database. Names compare without case, as in MySQL."""

    def __init__(self, tables: Tables, values: dict[str, str]) -> None:
        self._tables = tables
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

    def get(self, pref_name: str) -> str:
        """The value; empty if there is no such preference."""
        row = self._rows.get(pref_name.lower())
        return row[2] if row else ""

    def list_rows(self, pref_name: str | None) -> list[dict[str, object]]:
        """The rows of `GET /preferences`; all rows if no name is given."""
        return [
            {"PrefNum": pref_num, "PrefName": name, "ValueString": value}
            for key, (pref_num, name, value) in self._rows.items()
            if pref_name is None or key == pref_name.lower()
        ]
