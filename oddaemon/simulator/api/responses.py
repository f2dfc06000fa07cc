"""The responses of headquarters. The body of an error is a bare JSON string, plain text or an HTML page.

Sentences seen in the field are copied word for word. Where only the status is documented, the sentence is ours.
"""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

from oddaemon.simulator.api.messages import ApiResponse

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"

_SECONDS = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

_TITLES = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


def make_rows(rows: Sequence[dict[str, object]]) -> ApiResponse:
    """200 with a list of row objects; dates and times have the office's format, without a zone."""
    body = json.dumps(rows, default=_to_json_value, ensure_ascii=False, separators=(",", ":"))
    return ApiResponse(200, (("content-type", JSON_TYPE),), body.encode())


def make_json_error(status: int, text: str) -> ApiResponse:
    """An error whose body is a bare JSON string."""
    return ApiResponse(status, (("content-type", JSON_TYPE),), json.dumps(text, ensure_ascii=False).encode())


def make_text_error(status: int, text: str) -> ApiResponse:
    """An error whose body is text, not JSON."""
    return ApiResponse(status, (("content-type", "text/plain; charset=utf-8"),), text.encode())


ECONNECTOR_DOWN = make_json_error(
    400, "The office's eConnector is not running. Please contact the office to start their eConnector."
)
KEY_NOT_ASSIGNED = make_json_error(400, "API key has not been assigned.")
VERSION_TOO_OLD = make_text_error(400, "Error. This is most likely a version issue.")

DATE_MALFORMED = make_json_error(400, "DateAsOf is invalid, it must be in yyyy-MM-dd format.")
UPLOAD_MALFORMED = make_json_error(400, "SqlCommand, SftpAddress, SftpUsername and SftpPassword are required.")
KEY_UNKNOWN = make_json_error(401, "Developer key or customer key is not valid.")
KEY_DISABLED = make_json_error(401, "API key is disabled.")
PERMISSION_MISSING = make_json_error(401, "API key does not have the Queries permission.")
CONTENT_TYPE_MISSING = make_json_error(400, "Content-Type header must be application/json.")
RESOURCE_UNKNOWN = make_json_error(404, "Resource not found.")
PREFERENCE_UNKNOWN = make_json_error(404, "Preference not found.")
QUERY_MALFORMED = make_json_error(400, "Body must be a JSON object with a SqlCommand.")
OFFSET_MALFORMED = make_json_error(400, "Offset must be a whole number, 0 or more.")
CREATED = ApiResponse(201, (("content-type", JSON_TYPE),), b'""')


def make_gateway_error(status: int) -> ApiResponse:
    """An error of the gateway: an HTML page."""
    title = f"{status} {_TITLES.get(status, 'Error')}"
    head, body = f"<head><title>{title}</title></head>", f"<body><center><h1>{title}</h1></center></body>"
    page = f"<html>\r\n{head}\r\n{body}\r\n</html>\r\n"
    return ApiResponse(status, (("content-type", HTML_TYPE),), page.encode())


def make_too_many_requests(retry_after: str | None) -> ApiResponse:
    """429, with this Retry-After header or, if None, without one."""
    response = make_json_error(429, "Too many requests are waiting for this API key.")
    if retry_after is None:
        return response
    return ApiResponse(response.status, (*response.headers, ("retry-after", retry_after)), response.body)


def parse_retry_after(response: ApiResponse, now: datetime) -> float | None:
    """The seconds of the response's Retry-After, at least 0; None without one."""
    header = dict(response.headers).get("retry-after")
    if header is None:
        return None
    if _SECONDS.fullmatch(header):
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" means that the date is UTC and that the sender's zone is unknown.
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _to_json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    raise TypeError(f"An office never answers with a {type(value).__name__}.")
