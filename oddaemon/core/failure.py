"""What can go wrong with an office, whose fault it is, and what is done about it: one table.

An answer is turned into a `Kind` by its status and text here and nowhere else. What no rule knows is still a failure:
never a success, and never retried hot.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from oddaemon.core.model import Owner

MESSAGE_CHARACTERS_MAX = 200


class Kind(StrEnum):
    """Every failure the house can name; the value is the metric's label."""

    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    THROTTLED = "throttled"
    GATEWAY_TIMEOUT = "gateway_timeout"
    SERVER_ERROR = "server_error"
    ECONNECTOR_DOWN = "econnector_down"
    OFFICE_NETWORK = "office_network"
    VERSION_TOO_OLD = "version_too_old"
    KEY_UNASSIGNED = "key_unassigned"
    KEY_REJECTED = "key_rejected"
    PERMISSION_MISSING = "permission_missing"
    QUERY_REFUSED = "query_refused"
    SQL_ERROR = "sql_error"
    UNKNOWN_400 = "unknown_400"
    UNKNOWN_401 = "unknown_401"
    NOT_FOUND = "not_found"
    UNEXPECTED_STATUS = "unexpected_status"
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    LANE_CUT = "lane_cut"
    TOO_SPARSE = "too_sparse"
    INCOMPLETE = "incomplete"
    AGING_MOVED = "aging_moved"
    OTHER_DATABASE = "other_database"
    IMPLAUSIBLE = "implausible"
    HEADQUARTERS_DOWN = "headquarters_down"
    STORE = "store"


class Policy(StrEnum):
    """What a failure means for the next attempt."""

    RETRY = "retry"
    """Back off, further each time: it passes by itself."""
    WAIT = "wait"
    """The server said for how long."""
    BLOCK = "block"
    """A human must act; only slow probes until then."""
    CONFIRM = "confirm"
    """It may be the key or only the query: a GET tells."""
    OTHER_READER = "other_reader"
    """This way of reading is closed, another may be open."""
    NARROWER = "narrower"
    """Pack less into each row, then read again."""
    REREAD = "reread"
    """Throw away what was read and read again, a bounded number of times."""
    WATCH = "watch"
    """Aging is at work: go back to watching it."""
    HOLD = "hold"
    """Believe it only if a second reading says the same, or a human does."""
    STAND_BY = "stand_by"
    """Others find out when it is over: look again at the office's own turn."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose failure it is, what follows, and what to tell that person."""

    owner: Owner
    policy: Policy
    meaning: str
    advice: str


_US, _OFFICE, _VENDOR = Owner.US, Owner.OFFICE, Owner.VENDOR

RULES: Mapping[Kind, Rule] = {
    Kind.CONNECT: Rule(
        _US,
        Policy.RETRY,
        "no connection to the API",
        "Check this machine's network and name resolution, and `base_url`.",
    ),
    Kind.TLS: Rule(
        _US,
        Policy.BLOCK,
        "the server's certificate was not accepted",
        "Check this machine's clock and CA certificates, and `base_url`; verification cannot be switched off.",
    ),
    Kind.TIMEOUT: Rule(
        _OFFICE,
        Policy.RETRY,
        "no answer in time",
        "If it stays: ask the office whether its server is very slow.",
    ),
    Kind.CONNECTION_LOST: Rule(
        _VENDOR,
        Policy.RETRY,
        "the connection broke in the middle of an answer",
        "Nothing to do; it is asked again.",
    ),
    Kind.THROTTLED: Rule(
        _US,
        Policy.WAIT,
        "the API asks to slow down",
        "See whether another program uses the same customer key; raise `min_interval_seconds`.",
    ),
    Kind.GATEWAY_TIMEOUT: Rule(
        _OFFICE,
        Policy.RETRY,
        "the office needed longer than the API's limit of 60 seconds",
        "If it stays: ask the office whether its server is very slow.",
    ),
    Kind.SERVER_ERROR: Rule(
        _VENDOR,
        Policy.RETRY,
        "the API has an error of its own",
        "Nothing to do; if it stays for hours, write to Open Dental support.",
    ),
    Kind.ECONNECTOR_DOWN: Rule(
        _OFFICE,
        Policy.RETRY,
        "the office's eConnector is not running",
        "Ask the office to start the OpenDentalEConnector service on its server.",
    ),
    Kind.OFFICE_NETWORK: Rule(
        _OFFICE,
        Policy.RETRY,
        "the API cannot reach the office",
        "Ask the office whether its server and its internet connection are up.",
    ),
    Kind.VERSION_TOO_OLD: Rule(
        _OFFICE,
        Policy.BLOCK,
        "the office's Open Dental is too old",
        "Ask the office to update Open Dental: queries need version 21.2 or later.",
    ),
    Kind.KEY_UNASSIGNED: Rule(
        _OFFICE,
        Policy.BLOCK,
        "the customer key is not assigned to an office",
        "Ask the office to enter the customer key in Setup, Advanced Setup, API, or assign it in the developer portal.",
    ),
    Kind.KEY_REJECTED: Rule(
        _OFFICE,
        Policy.BLOCK,
        "the API does not accept the key",
        "Check the key in the developer portal; ask the office whether it disabled it.",
    ),
    Kind.PERMISSION_MISSING: Rule(
        _US,
        Policy.BLOCK,
        "the key lacks a permission",
        "Give the key the Queries permission in the developer portal.",
    ),
    Kind.QUERY_REFUSED: Rule(
        _VENDOR,
        Policy.OTHER_READER,
        "the API refuses the query",
        "Report the refused word to us: the query text must change.",
    ),
    Kind.SQL_ERROR: Rule(
        _US,
        Policy.OTHER_READER,
        "the office's database refuses the query",
        "Report the message to us: the query text must change.",
    ),
    Kind.UNKNOWN_400: Rule(
        _OFFICE,
        Policy.RETRY,
        "the API refused the request for a reason not known here",
        "Read the message; ask the office or Open Dental support about it.",
    ),
    Kind.UNKNOWN_401: Rule(
        _US,
        Policy.CONFIRM,
        "the API did not allow the query",
        "Check the key's permissions in the developer portal.",
    ),
    Kind.NOT_FOUND: Rule(
        _US,
        Policy.BLOCK,
        "the API does not know this address",
        "Check `base_url`: it ends in /api/v1.",
    ),
    Kind.UNEXPECTED_STATUS: Rule(
        _VENDOR,
        Policy.RETRY,
        "the API answered with a status that makes no sense here",
        "If it stays, check `base_url` and any proxy in between.",
    ),
    Kind.MALFORMED: Rule(
        _VENDOR,
        Policy.RETRY,
        "the answer cannot be read",
        "Nothing to do; it is asked again. If it stays, see which proxy or gateway answers.",
    ),
    Kind.OVERSIZED: Rule(
        _US,
        Policy.OTHER_READER,
        "the answer is larger than allowed",
        "Raise `[api] max_response_bytes` if this office is really that large.",
    ),
    Kind.LANE_CUT: Rule(
        _US,
        Policy.NARROWER,
        "the office's server cut a packed row",
        "Nothing to do; the next statement packs less into a row.",
    ),
    Kind.TOO_SPARSE: Rule(
        _US,
        Policy.OTHER_READER,
        "the office's PatNums are too sparse to pack",
        "Nothing to do; this office is read in pages.",
    ),
    Kind.INCOMPLETE: Rule(
        _VENDOR,
        Policy.REREAD,
        "the rows do not add up to the office's own control totals",
        "Nothing to do while it is read again; if it stays, report it to us.",
    ),
    Kind.AGING_MOVED: Rule(
        _OFFICE,
        Policy.WATCH,
        "aging ran while the balances were read",
        "Nothing to do; the balances are read again once that run is over.",
    ),
    Kind.OTHER_DATABASE: Rule(
        _OFFICE,
        Policy.BLOCK,
        "the key answers for another office's database",
        "Ask the office and the developer portal where the customer key was moved to. If this is the same practice with"
        " a new name or address: `oddaemon office accept`.",
    ),
    Kind.IMPLAUSIBLE: Rule(
        _US,
        Policy.HOLD,
        "the balances are hard to believe",
        "Nothing to do: they are read again and published if they stay so. `oddaemon office accept` says so now.",
    ),
    Kind.HEADQUARTERS_DOWN: Rule(
        _VENDOR,
        Policy.STAND_BY,
        "Open Dental's API answers nobody",
        "Nothing to do: one office after another tries, and all go on when it answers. See Open Dental's status page.",
    ),
    Kind.STORE: Rule(
        _US,
        Policy.RETRY,
        "the snapshot could not be stored",
        "Check the disk that holds the database: space, permissions, health.",
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of one action."""

    kind: Kind
    message: str = ""
    """What the other side said, trimmed and free of secrets."""
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def rule(self) -> Rule:
        """The table's row of this kind."""
        return RULES[self.kind]

    @property
    def sentence(self) -> str:
        """What happened, in words, with the other side's own."""
        status = f" (HTTP {self.status})" if self.status else ""
        said = f": {self.message}" if self.message else ""
        return f"{self.rule.meaning}{status}{said}"


# An element that is never closed runs to the end: so no text, however made, is scanned more than once.
_MARKUP = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[/!?a-z][^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE)


def trimmed(text: str) -> str:
    """The words of an error body, on one line, without markup or control characters, at most 200 characters."""
    plain = "".join(letter if letter.isprintable() else " " for letter in _MARKUP.sub(" ", text[:20_000]))
    words = " ".join(plain.strip().strip('"').split())
    return words if len(words) <= MESSAGE_CHARACTERS_MAX else words[: MESSAGE_CHARACTERS_MAX - 1] + "…"


_TEXTS_400 = (
    (re.compile(r"econnector", re.IGNORECASE), Kind.ECONNECTOR_DOWN),
    (re.compile(r"not been assigned|unassigned|not assigned", re.IGNORECASE), Kind.KEY_UNASSIGNED),
    (re.compile(r"version issue|version is too old|requires version|update.*open dental", re.IGNORECASE),
     Kind.VERSION_TOO_OLD),
    (re.compile(r"unable to connect|could not connect|network|unreachable|timed? ?out", re.IGNORECASE),
     Kind.OFFICE_NETWORK),
)  # fmt: skip
_TEXT_SQL = re.compile(r"sql|syntax|unknown column|unknown table|doesn't exist|group function|operand", re.IGNORECASE)
_TEXT_REFUSED = re.compile(r"query (cannot|can not|must|may not)|not allowed in (a )?query", re.IGNORECASE)
_TEXT_PERMISSION = re.compile(r"permission|not permitted|not authorized for", re.IGNORECASE)


def classify(status: int, body: str, *, query: bool) -> Kind:  # noqa: PLR0911  a table of statuses
    """Name the failure behind an answer that is not a success.

    Args:
        status: The HTTP status, anything but 2xx.
        body: The whole or trimmed body.
        query: True for ShortQuery, where 400 may be the SQL's and 401 the query's fault; False for a GET.
    """
    match status:
        case 400:
            return _of_400(body, query=query)
        case 401 | 403:
            return _of_401(body, query=query)
        case 404 | 410:
            return Kind.NOT_FOUND
        case 408:
            return Kind.TIMEOUT
        case 413:
            return Kind.QUERY_REFUSED if query else Kind.UNEXPECTED_STATUS
        case 429:
            return Kind.THROTTLED
        case 504:
            return Kind.GATEWAY_TIMEOUT
        case _:
            return Kind.SERVER_ERROR if 500 <= status <= 599 else Kind.UNEXPECTED_STATUS  # noqa: PLR2004  a status class


def _of_400(body: str, *, query: bool) -> Kind:
    for pattern, kind in _TEXTS_400:
        if pattern.search(body):
            return kind
    if query and _TEXT_REFUSED.search(body):
        return Kind.QUERY_REFUSED
    return Kind.SQL_ERROR if query and _TEXT_SQL.search(body) else Kind.UNKNOWN_400


def _of_401(body: str, *, query: bool) -> Kind:
    if re.search(r"not been assigned|unassigned", body, re.IGNORECASE):
        return Kind.KEY_UNASSIGNED if not query else Kind.UNKNOWN_401
    if not query:
        return Kind.PERMISSION_MISSING if _TEXT_PERMISSION.search(body) else Kind.KEY_REJECTED
    return Kind.QUERY_REFUSED if _TEXT_REFUSED.search(body) else Kind.UNKNOWN_401
