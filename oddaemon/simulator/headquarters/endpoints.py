"""The calls that an office answers: their requirements, their rejections, and the rows of a page."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from oddaemon.simulator.api import responses
from oddaemon.simulator.api.keys import ApiKey, Permission
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, Endpoint
from oddaemon.simulator.faults.faults import Rows
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.mysql.query_filter import QueryRefused, SqlFailed
from oddaemon.simulator.practice.practice import Practice

SHORT_QUERY_SINCE = (21, 2)
"""First version of the office's program with ShortQuery."""
REPORTS_SINCE = (21, 4)
"""First version of the office's program with reports."""
_TABLE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)", re.IGNORECASE)
_LAST_LIMIT = re.compile(r"\s+LIMIT\s+\d+\s*\Z", re.IGNORECASE)


class RequestRefused(Exception):
    """The office returns no rows; `response` is returned instead."""

    def __init__(self, response: ApiResponse) -> None:
        super().__init__(f"refused with {response.status}")
        self.response = response


@dataclass(frozen=True)
class OfficeCall:
    """A request that has reached an office.

    Attributes:
        practice: the practice that answers.
        key: the key of the request.
        request: the request.
        options: the options of headquarters.
        unlimited: ignore the query's own LIMIT and the page cap.
        readable_tables: the tables that the office's query user may read; None: all.
        stale_seconds: how old the state of aging in the office's preferences is.
    """

    practice: Practice
    key: ApiKey
    request: ApiRequest
    options: HeadquartersOptions
    unlimited: bool = False
    readable_tables: Collection[str] | None = None
    stale_seconds: float = 0.0

    def get_rows(self) -> tuple[Rows, float]:
        """One page of the practice's answer and the execution time in seconds beyond that of any request.

        Raises:
            RequestRefused: with the response to return instead.
        """
        match self.request.endpoint:
            case Endpoint.SHORT_QUERY:
                return self._make_page(self._run_short_query(), self.options.query_seconds)
            case Endpoint.PREFERENCES:
                if self.options.filters_ignored:
                    return self._make_page(self.practice.list_preferences(None, self.stale_seconds), 0.0)
                pref_name = self.request.query.get("PrefName")
                found = self.practice.list_preferences(pref_name, self.stale_seconds)
                if not found and self.options.absent_is_404:
                    raise RequestRefused(responses.PREFERENCE_UNKNOWN)
                return found, 0.0
            case Endpoint.AGING_REPORT:
                return self._make_page(self._make_aging_report(), self.options.report_seconds)
            case _:
                return self.practice.list_clinics(), 0.0

    def _run_short_query(self) -> Rows:
        sql = _parse_sql_command(self.request.body)
        if self.readable_tables is not None:
            _check_tables(sql, self.readable_tables)
        return run_query(self.practice, self.key, _LAST_LIMIT.sub("", sql) if self.unlimited else sql)

    def _make_aging_report(self) -> Rows:
        if self.practice.preferences.get_version() < REPORTS_SINCE:
            raise RequestRefused(responses.VERSION_TOO_OLD)
        written_day, clinic = (self.request.query.get(name, "") for name in ("DateAsOf", "ClinicNum"))
        try:
            day = date.fromisoformat(written_day) if written_day else self.practice.today()
        except ValueError as error:
            raise RequestRefused(responses.DATE_MALFORMED) from error
        lines = self.practice.get_aging_report(day, (int(clinic),) if clinic.isdecimal() else ())
        return [line.to_row() for line in lines]

    def _make_page(self, found: Rows, seconds: float) -> tuple[Rows, float]:
        written_offset = self.request.query.get("Offset", "0")
        if not (written_offset.isascii() and written_offset.isdigit()):
            raise RequestRefused(responses.OFFSET_MALFORMED)
        offset = int(written_offset)
        uncapped = self.unlimited or (offset > 0 and self.options.offset_gives_everything)
        page = found[offset:] if uncapped else found[offset : offset + self.key.rows_max]
        return page, seconds + self.options.row_seconds * len(page)


def run_query(practice: Practice, key: ApiKey, sql: str) -> Rows:
    """All rows of a statement's result.

    Raises:
        RequestRefused: with the response to return instead.
    """
    if key.permission is Permission.READ_ALL:
        raise RequestRefused(responses.PERMISSION_MISSING)
    if practice.preferences.get_version() < SHORT_QUERY_SINCE:
        raise RequestRefused(responses.VERSION_TOO_OLD)
    try:
        return practice.run_short_query(sql)
    except QueryRefused as refused:
        raise RequestRefused(responses.make_json_error(401, str(refused))) from refused
    except SqlFailed as failed:
        raise RequestRefused(responses.make_json_error(400, str(failed))) from failed


def _check_tables(sql: str, readable: Collection[str]) -> None:
    for table in _TABLE.findall(sql):
        if table.lower() not in readable:
            message = f"SELECT command denied to user 'odlow'@'localhost' for table '{table}'"
            raise RequestRefused(responses.make_json_error(400, message))


def _parse_sql_command(body: bytes) -> str:
    try:
        command = json.loads(body)
    except ValueError:
        command = None
    sql = command.get("SqlCommand") if isinstance(command, dict) else None
    if not isinstance(sql, str) or not sql.strip():
        raise RequestRefused(responses.QUERY_MALFORMED)
    return sql
