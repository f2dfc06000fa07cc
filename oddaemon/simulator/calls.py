"""The calls that an office answers: what each needs, what it refuses, how many rows of the answer one page holds."""

import json
import re
from datetime import date

from oddaemon.simulator import answers
from oddaemon.simulator.api import ApiAnswer, ApiRequest, Kind
from oddaemon.simulator.faults import Rows
from oddaemon.simulator.keys import ApiKey, Permission
from oddaemon.simulator.options import Options
from oddaemon.simulator.practice import Practice, QueryRefused, SqlFailed

SHORT_QUERY_SINCE = (21, 2)
"""First version of the office's program with ShortQuery."""
REPORTS_SINCE = (21, 4)
"""First version of the office's program with reports."""
_LAST_LIMIT = re.compile(r"\s+LIMIT\s+\d+\s*\Z", re.IGNORECASE)


class RefusalError(Exception):
    """The office does not give rows; `answer` is what it says instead."""

    def __init__(self, answer: ApiAnswer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


def office_rows(
    practice: Practice, key: ApiKey, request: ApiRequest, options: Options, *, unlimited: bool = False
) -> tuple[Rows, float]:
    """One page of the practice's answer and the execution time in seconds beyond that of any request.

    Args:
        practice: whose.
        key: with which it is asked.
        request: for what.
        options: of headquarters.
        unlimited: neither the query's own LIMIT nor the page cap is obeyed.

    Raises:
        RefusalError: with the answer to give instead.
    """
    match request.kind:
        case Kind.SHORT_QUERY:
            return _short_query(practice, key, request, options, unlimited=unlimited)
        case Kind.PREFERENCES:
            found = practice.preferences(None if options.filters_ignored else request.query.get("PrefName"))
            if not found and options.absent_is_404:
                raise RefusalError(answers.sentence(404, answers.PREFERENCE_UNKNOWN))
            return found, 0.0
        case Kind.AGING_REPORT:
            return _aging_report(practice, key, request, options, unlimited=unlimited)
        case _:
            return practice.clinic_list(), 0.0


def query_rows(practice: Practice, key: ApiKey, sql: str) -> Rows:
    """All rows that a statement brings.

    Raises:
        RefusalError: with the answer to give instead.
    """
    if key.permission is Permission.READ_ALL:
        raise RefusalError(answers.sentence(401, answers.PERMISSION_MISSING))
    if _version(practice.program_version) < SHORT_QUERY_SINCE:
        raise RefusalError(answers.plain(400, answers.VERSION_TOO_OLD))
    try:
        return practice.short_query(sql)
    except QueryRefused as refused:
        raise RefusalError(answers.sentence(401, refused.message)) from refused
    except SqlFailed as failed:
        raise RefusalError(answers.sentence(400, failed.message)) from failed


def _short_query(
    practice: Practice, key: ApiKey, request: ApiRequest, options: Options, *, unlimited: bool
) -> tuple[Rows, float]:
    sql = _sql_command(request.body)
    found = query_rows(practice, key, _LAST_LIMIT.sub("", sql) if unlimited else sql)
    page = _page(found, key, request, options, unlimited=unlimited)
    return page, options.query_seconds + options.row_seconds * len(page)


def _aging_report(
    practice: Practice, key: ApiKey, request: ApiRequest, options: Options, *, unlimited: bool
) -> tuple[Rows, float]:
    if _version(practice.program_version) < REPORTS_SINCE:
        raise RefusalError(answers.plain(400, answers.VERSION_TOO_OLD))
    clinic = request.query.get("ClinicNum", "")
    lines = practice.aging_report(_day(request, practice), (int(clinic),) if clinic.isdecimal() else ())
    found: Rows = [line.row() for line in lines]
    page = _page(found, key, request, options, unlimited=unlimited)
    return page, options.report_seconds + options.row_seconds * len(page)


def _day(request: ApiRequest, practice: Practice) -> date:
    text = request.query.get("DateAsOf", "")
    try:
        return date.fromisoformat(text) if text else practice.today()
    except ValueError as error:
        raise RefusalError(answers.sentence(400, answers.DATE_MALFORMED)) from error


def _page(found: Rows, key: ApiKey, request: ApiRequest, options: Options, *, unlimited: bool) -> Rows:
    offset = _offset(request)
    uncapped = unlimited or (offset > 0 and options.offset_gives_everything)
    return found[offset:] if uncapped else found[offset : offset + key.rows_max]


def _version(program_version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in program_version.split("."))


def _sql_command(body: bytes) -> str:
    try:
        command = json.loads(body)
    except ValueError:
        command = None
    sql = command.get("SqlCommand") if isinstance(command, dict) else None
    if not isinstance(sql, str) or not sql.strip():
        raise RefusalError(answers.sentence(400, answers.QUERY_MALFORMED))
    return sql


def _offset(request: ApiRequest) -> int:
    text = request.query.get("Offset", "0")
    if not (text.isascii() and text.isdigit()):
        raise RefusalError(answers.sentence(400, answers.OFFSET_MALFORMED))
    return int(text)
