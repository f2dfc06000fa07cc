"""Responses that are no success, and the failure that each must be named: documented, seen in the field, or invented.

Each group has one status and two verdicts, for a GET and for a ShortQuery, and the bodies that share them.
"""

from typing import NamedTuple

from oddaemon.core.failures.failure import FailureKind
from tests.core.failures.office_responses import OFFICE_GROUPS
from tests.core.failures.response_group import CLOUDFLARE, ECONNECTOR_TEXT, IIS, NGINX, SYNTAX, ResponseGroup


class CorpusResponse(NamedTuple):
    """One answer and its names."""

    status: int
    body: str
    get_kind: FailureKind
    query_kind: FailureKind


KEY_AND_SERVER_GROUPS = (
    ResponseGroup(
        "the key is dead",
        400,
        FailureKind.KEY_REJECTED,
        FailureKind.UNKNOWN_400,
        (
            "Invalid API key.",
            '"Customer key is not valid."',
            "The developer key was revoked.",
            "Unknown customer key",
            "API key is disabled.",
            "API key expired",
            '{"message":"API key not recognized"}',
        ),
    ),
    ResponseGroup(
        "the key is dead, or so it seems",
        401,
        FailureKind.KEY_REJECTED,
        FailureKind.UNKNOWN_401,
        (
            "",
            '""',
            "null",
            "{}",
            "Unauthorized",
            '"Unauthorized"',
            '{"Message":"Authorization has been denied for this request."}',
            "API key is disabled.",
            "Developer key or customer key is not valid.",
            "Invalid API key.",
            "Ungültiger Schlüssel",
            "Clé non valide",
            "密钥无效",
            "Error.",
            "This is most likely a version issue.",
            SYNTAX,
            "The request timed out.",
            "🔒",
            IIS
            % (
                "401 - Unauthorized: Access is denied due to invalid credentials.",
                "401 - Unauthorized: Access is denied due to invalid credentials.",
            ),
            "x" * 30_000,
        ),
    ),
    ResponseGroup(
        "forbidden",
        403,
        FailureKind.KEY_REJECTED,
        FailureKind.UNKNOWN_401,
        ("", "Forbidden", '"Forbidden"', '{"message":"Forbidden"}', "Your API key has been blocked."),
    ),
    ResponseGroup(
        "the key lacks a permission",
        401,
        FailureKind.PERMISSION_MISSING,
        FailureKind.UNKNOWN_401,
        (
            "API key does not have the Queries permission.",
            '"API key does not have permission for this."',
            "Permission denied",
            "Not authorized for this resource.",
            "You are not permitted to use this method.",
            '{"message":"Insufficient permissions."}',
            "NO PERMISSION",
        ),
    ),
    ResponseGroup(
        "the key lacks a permission, said with 403",
        403,
        FailureKind.PERMISSION_MISSING,
        FailureKind.UNKNOWN_401,
        ("Permission missing: Queries", '{"error":"missing permission"}'),
    ),
    ResponseGroup(
        "a gateway refuses",
        403,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.GATEWAY_REFUSED,
        (
            NGINX % ("403 Forbidden", "403 Forbidden"),
            IIS % ("403 - Forbidden: Access is denied.", "403 - Forbidden: Access is denied."),
            CLOUDFLARE % ("Attention Required!", "Sorry, you have been blocked"),
            CLOUDFLARE % ("Just a moment...", "Checking your browser before accessing"),
            "error code: 1020 Cloudflare",
            "Your IP address has been blocked.",
            "This network has been suspended because of too much traffic.",
            "Blocked by the web application firewall.",
            "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY>Reference #18.2f2c1602</BODY></HTML>",
            "\ufeff<!doctype html><title>Forbidden</title>",
            "Please solve the CAPTCHA",
        ),
    ),
    ResponseGroup(
        "a gateway takes the request for a bad one",
        400,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.GATEWAY_REFUSED,
        (
            NGINX % ("400 Bad Request", "400 Bad Request"),
            NGINX % ("400 The plain HTTP request was sent to HTTPS port", "400 Bad Request"),
            "<html>Bad Request</html>",
            CLOUDFLARE % ("400 Bad Request", "400 Bad Request"),
            (
                "<!DOCTYPE HTML PUBLIC><HTML><HEAD><TITLE>Bad Request</TITLE></HEAD><BODY><h2>Bad Request - Invalid "
                "Hostname</h2></BODY></HTML>"
            ),
            '<?xml version="1.0"?><html><body>Bad Request</body></html>',
        ),
    ),
    ResponseGroup(
        "the cause is unknown",
        400,
        FailureKind.UNKNOWN_400,
        FailureKind.UNKNOWN_400,
        (
            "",
            '""',
            "null",
            "{}",
            "[]",
            "0",
            "Bad Request",
            '"Error."',
            "Error.",
            "ERROR",
            '{"title":"Bad Request","status":400}',
            '{"message":""}',
            "Something went wrong",
            "Object reference not set to an instance of an object.",
            "Es ist ein Fehler aufgetreten.",
            "Se ha producido un error.",
            "Произошла ошибка.",
            "エラーが発生しました。",
            "حدث خطأ",
            "\x00\x01\x02",
            "\ufeff",
            " \r\n ",
            '{"message":',
            "[" * 20_000,
            '{"a":' * 5_000,
            "a" * 100_000,
            "Content-Type header must be application/json.",
        ),
    ),
    ResponseGroup(
        "no such resource",
        404,
        FailureKind.NOT_FOUND,
        FailureKind.NOT_FOUND,
        ("", '"Resource not found."', NGINX % ("404", "404")),
    ),
    ResponseGroup("removed", 410, FailureKind.NOT_FOUND, FailureKind.NOT_FOUND, ("", "This resource was removed.")),
    ResponseGroup(
        "too many queued",
        429,
        FailureKind.THROTTLED,
        FailureKind.THROTTLED,
        ("", '"Too many requests."', NGINX % ("429", "429"), ECONNECTOR_TEXT),
    ),
    ResponseGroup(
        "the office took too long",
        504,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        (
            "",
            NGINX % ("504 Gateway Time-out", "504 Gateway Time-out"),
            "upstream request timeout",
            f'"{ECONNECTOR_TEXT}"',
        ),
    ),
    ResponseGroup(
        "Cloudflare's name for it",
        524,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        (CLOUDFLARE % ("524", "A timeout"),),
    ),
    ResponseGroup(
        "headquarters has an error",
        500,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (
            "",
            "Internal Server Error",
            '{"Message":"An error has occurred."}',
            IIS % ("500 - Internal server error.", "500 - Internal server error."),
            NGINX % ("500 Internal Server Error", "500 Internal Server Error"),
            NGINX % ("500", "could not find the eConnector page"),
        ),
    ),
    ResponseGroup(
        "bad gateway",
        502,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (NGINX % ("502 Bad Gateway", "502 Bad Gateway"), ""),
    ),
    ResponseGroup(
        "unavailable",
        503,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (IIS % ("503", "Service Unavailable"), "maintenance", ""),
    ),
    ResponseGroup(
        "Cloudflare finds no server",
        522,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (CLOUDFLARE % ("522", "Timed out"), ""),
    ),
    ResponseGroup(
        "a proxy of ours",
        407,
        FailureKind.CONNECT,
        FailureKind.CONNECT,
        ("", NGINX % ("407", "Proxy Authentication Required")),
    ),
    ResponseGroup("a hotel's network", 511, FailureKind.CONNECT, FailureKind.CONNECT, ("<html>Please log in</html>",)),
    ResponseGroup("slow request", 408, FailureKind.TIMEOUT, FailureKind.TIMEOUT, ("", "Request Timeout")),
    ResponseGroup(
        "moved",
        301,
        FailureKind.UNEXPECTED_STATUS,
        FailureKind.UNEXPECTED_STATUS,
        ("", NGINX % ("301", "Moved Permanently")),
    ),
    ResponseGroup(
        "a teapot", 418, FailureKind.UNEXPECTED_STATUS, FailureKind.UNEXPECTED_STATUS, ("I'm a teapot", ECONNECTOR_TEXT)
    ),
    ResponseGroup("no status of HTTP", 600, FailureKind.UNEXPECTED_STATUS, FailureKind.UNEXPECTED_STATUS, ("",)),
)

RESPONSES = tuple(
    CorpusResponse(group.status, body, group.get_kind, group.query_kind)
    for group in OFFICE_GROUPS + KEY_AND_SERVER_GROUPS
    for body in group.bodies
)
