"""The calls that an office answers: their requirements, their rejections, and the rows of a page."""

import json
import re
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
_LAST_LIMIT = re.compile(r"\s+LIMIT\s+\d+\s*\Z", re.IGNORECASE)


class RequestRefused(Exception):
    """The office returns no rows; `answer` is its response instead."""

    def __init__(self, response: ApiResponse) -> None:
        super().__init__(f"refused with {response.status}")
        self.response = response


def get_office_rows(
    practice: Practice, key: ApiKey, request: ApiRequest, options: HeadquartersOptions, *, unlimited: bool = False
) -> tuple[Rows, float]:
    """One page of the practice's answer and the execution time in seconds beyond that of any request.

    Args:
        practice: the practice that answers.
        key: the key of the request.
        request: the request.
        options: the options of headquarters.
        unlimited: ignore the query's own LIMIT and the page cap.

    Raises:
        RequestRefused: with the response to return instead.
    """
    match request.endpoint:
        case Endpoint.SHORT_QUERY:
            return _run_short_query(practice, key, request, options, unlimited=unlimited)
        case Endpoint.PREFERENCES:
            found = practice.list_preferences(None if options.filters_ignored else request.query.get("PrefName"))
            if not found and options.absent_is_404:
                raise RequestRefused(responses.PREFERENCE_UNKNOWN)
            return found, 0.0
        case Endpoint.AGING_REPORT:
            return _run_aging_report(practice, key, request, options, unlimited=unlimited)
        case _:
            return practice.list_clinics(), 0.0


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


def _run_short_query(
    practice: Practice, key: ApiKey, request: ApiRequest, options: HeadquartersOptions, *, unlimited: bool
) -> tuple[Rows, float]:
    sql = _parse_sql_command(request.body)
    found = run_query(practice, key, _LAST_LIMIT.sub("", sql) if unlimited else sql)
    page = _get_page(found, key, request, options, unlimited=unlimited)
    return page, options.query_seconds + options.row_seconds * len(page)


def _run_aging_report(
    practice: Practice, key: ApiKey, request: ApiRequest, options: HeadquartersOptions, *, unlimited: bool
) -> tuple[Rows, float]:
    if practice.preferences.get_version() < REPORTS_SINCE:
        raise RequestRefused(responses.VERSION_TOO_OLD)
    clinic = request.query.get("ClinicNum", "")
    lines = practice.get_aging_report(_parse_day(request, practice), (int(clinic),) if clinic.isdecimal() else ())
    found: Rows = [line.to_row() for line in lines]
    page = _get_page(found, key, request, options, unlimited=unlimited)
    return page, options.report_seconds + options.row_seconds * len(page)


def _parse_day(request: ApiRequest, practice: Practice) -> date:
    text = request.query.get("DateAsOf", "")
    try:
        return date.fromisoformat(text) if text else practice.today()
    except ValueError as error:
        raise RequestRefused(responses.DATE_MALFORMED) from error


def _get_page(found: Rows, key: ApiKey, request: ApiRequest, options: HeadquartersOptions, *, unlimited: bool) -> Rows:
    offset = _parse_offset(request)
    uncapped = unlimited or (offset > 0 and options.offset_gives_everything)
    return found[offset:] if uncapped else found[offset : offset + key.rows_max]


def _parse_sql_command(body: bytes) -> str:
    try:
        command = json.loads(body)
    except ValueError:
        command = None
    sql = command.get("SqlCommand") if isinstance(command, dict) else None
    if not isinstance(sql, str) or not sql.strip():
        raise RequestRefused(responses.QUERY_MALFORMED)
    return sql


def _parse_offset(request: ApiRequest) -> int:
    text = request.query.get("Offset", "0")
    if not (text.isascii() and text.isdigit()):
        raise RequestRefused(responses.OFFSET_MALFORMED)
    return int(text)
