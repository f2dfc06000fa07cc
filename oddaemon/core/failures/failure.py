"""What can go wrong with an office, whose fault it is, and what is done about it: one table.

What no rule knows is still a failure: never a success, and never retried hot. How an answer is given its kind is in
`refusal.py`, what can be sent to the owner in `characters.py`.

The words of the table of failures: their kinds, what each means for the next attempt, and how loud it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from oddaemon.core.model import Owner


class FailureKind(StrEnum):
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
    OFFICE_DATABASE = "office_database"
    VERSION_TOO_OLD = "version_too_old"
    KEY_UNASSIGNED = "key_unassigned"
    KEY_REJECTED = "key_rejected"
    KEY_NEVER_ACCEPTED = "key_never_accepted"
    KEY_CHANGING = "key_changing"
    PERMISSION_MISSING = "permission_missing"
    QUERY_REFUSED = "query_refused"
    SQL_ERROR = "sql_error"
    GATEWAY_REFUSED = "gateway_refused"
    UNKNOWN_400 = "unknown_400"
    UNKNOWN_401 = "unknown_401"
    NOT_FOUND = "not_found"
    UNEXPECTED_STATUS = "unexpected_status"
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    COLUMN_TRUNCATED = "column_truncated"
    TOO_SPARSE = "too_sparse"
    INCOMPLETE = "incomplete"
    UPLOAD_MISSING = "upload_missing"
    UPLOAD_TOO_LARGE = "upload_too_large"
    UPLOAD_MISNAMED = "upload_misnamed"
    UPLOAD_UNREADABLE = "upload_unreadable"
    AGING_CHANGED = "aging_changed"
    OTHER_DATABASE = "other_database"
    IMPLAUSIBLE = "implausible"
    HEADQUARTERS_DOWN = "headquarters_down"
    STORE = "store"


class Recovery(StrEnum):
    """What a failure means for the next attempt."""

    RETRY = "retry"
    """Back off, further each time: it passes by itself."""
    WAIT = "wait"
    """The server said for how long."""
    BLOCK = "block"
    """A human must act; only slow probes until then."""
    CONFIRM = "confirm"
    """It may be the key or only the query: a GET tells."""
    SWITCH_READER = "other_reader"
    """This way of reading is closed, another may be open."""
    NARROW_PACKING = "narrower"
    """Pack less into each row, then read again."""
    REREAD = "reread"
    """Throw away what was read and read again, a bounded number of times."""
    WAIT_FOR_AGING = "watch"
    """Aging is at work: go back to watching it."""
    IDENTIFY = "identify"
    """The key may have been moved: ask which database it opens."""
    HOLD = "hold"
    """Believe it only if a second reading says the same, or a human does."""
    STAND_BY = "stand_by"
    """Others find out when it is over: look again at the office's own turn."""


class Severity(StrEnum):
    """How loud the first of a row is; what stands for long is news only once."""

    INFO = "info"
    """Expected now and then; nobody has to look."""
    WARNING = "warning"
    """It goes on by itself, and somebody may want to know."""
    ERROR = "error"
    """It does not go on before a human acts."""


__all__ = ["RULES", "Failure", "FailureKind", "Recovery", "Rule", "Severity"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose failure it is, what follows, how loud it is, what it means and what that person should do."""

    owner: Owner
    recovery: Recovery
    severity: Severity
    meaning: str
    advice: str


_US, _OFFICE, _VENDOR = Owner.US, Owner.OFFICE, Owner.VENDOR
_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

RULES: Mapping[FailureKind, Rule] = {
    FailureKind.CONNECT: Rule(
        _US,
        Recovery.RETRY,
        _WARNING,
        "no connection to the API",
        "Check this machine's network and name resolution, and `base_url`.",
    ),
    FailureKind.TLS: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the server's certificate was not accepted",
        "Check this machine's clock and CA certificates, and `base_url`; verification cannot be switched off.",
    ),
    FailureKind.TIMEOUT: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "no answer in time",
        "If it stays: ask the office whether its server is very slow.",
    ),
    FailureKind.CONNECTION_LOST: Rule(
        _VENDOR,
        Recovery.RETRY,
        _INFO,
        "the connection broke in the middle of an answer",
        "Nothing to do; it is asked again.",
    ),
    FailureKind.THROTTLED: Rule(
        _US,
        Recovery.WAIT,
        _WARNING,
        "the API asks to slow down",
        "See whether another program uses the same customer key; raise `min_interval_seconds`.",
    ),
    FailureKind.GATEWAY_TIMEOUT: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the office needed longer than the API's limit of 60 seconds",
        "If it stays: ask the office whether its server is very slow.",
    ),
    FailureKind.SERVER_ERROR: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "the API has an error of its own",
        "Nothing to do; if it stays for hours, write to Open Dental support.",
    ),
    FailureKind.ECONNECTOR_DOWN: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the office's eConnector is not running",
        "Ask the office to start the OpenDentalEConnector service on its server.",
    ),
    FailureKind.OFFICE_NETWORK: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the API cannot reach the office",
        "Ask the office whether its server and its internet connection are up.",
    ),
    FailureKind.OFFICE_DATABASE: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the office's database is in trouble",
        "Ask the office to have its database server checked: its disk, its log, its tables.",
    ),
    FailureKind.VERSION_TOO_OLD: Rule(
        _OFFICE,
        Recovery.BLOCK,
        _ERROR,
        "the office's Open Dental is too old",
        "Ask the office to update Open Dental: queries need version 21.2 or later.",
    ),
    FailureKind.KEY_UNASSIGNED: Rule(
        _OFFICE,
        Recovery.BLOCK,
        _ERROR,
        "the customer key is not assigned to an office",
        "Ask the office to enter the customer key in Setup, Advanced Setup, API, or assign it in the developer portal.",
    ),
    FailureKind.KEY_REJECTED: Rule(
        _OFFICE,
        Recovery.BLOCK,
        _ERROR,
        "the API does not accept the key",
        "Check the key in the developer portal; ask the office whether it disabled it.",
    ),
    FailureKind.KEY_NEVER_ACCEPTED: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the API does not accept the key, and never did",
        "Was the key typed right? Compare `customer_key` with the developer portal; if it is the same there, ask the"
        " office whether it is enabled.",
    ),
    FailureKind.KEY_CHANGING: Rule(
        _VENDOR,
        Recovery.WAIT,
        _WARNING,
        "neither the new customer key is accepted yet nor the former one any more",
        "Nothing to do: Open Dental needs up to 15 minutes to put a key in force, and the office is asked again.",
    ),
    FailureKind.PERMISSION_MISSING: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the key lacks a permission",
        'Give the key the Queries permission in the developer portal; or set `tier = "read_all"`, so that the office is'
        " read by the aging report.",
    ),
    FailureKind.QUERY_REFUSED: Rule(
        _VENDOR,
        Recovery.CONFIRM,
        _WARNING,
        "the API refuses the query",
        "Report the refused word to us: the query text must change.",
    ),
    FailureKind.SQL_ERROR: Rule(
        _US,
        Recovery.SWITCH_READER,
        _WARNING,
        "the office's database refuses the query",
        "Report the message to us: the query text must change.",
    ),
    FailureKind.GATEWAY_REFUSED: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "a gateway in front of the API refuses the request",
        "Check `base_url` and any proxy in between; if it stays, ask Open Dental support whether this machine's address"
        " is suspended.",
    ),
    FailureKind.UNKNOWN_400: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the API refused the request for a reason not known here",
        "Read the message; ask the office or Open Dental support about it.",
    ),
    FailureKind.UNKNOWN_401: Rule(
        _US,
        Recovery.CONFIRM,
        _WARNING,
        "the API did not allow the query",
        "Check the key's permissions in the developer portal.",
    ),
    FailureKind.NOT_FOUND: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the API does not know this address",
        "Check `base_url`: it ends in /api/v1.",
    ),
    FailureKind.UNEXPECTED_STATUS: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "the API answered with a status that makes no sense here",
        "If it stays, check `base_url` and any proxy in between.",
    ),
    FailureKind.MALFORMED: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "the answer cannot be read",
        "Nothing to do; it is asked again. If it stays, see which proxy or gateway answers.",
    ),
    FailureKind.OVERSIZED: Rule(
        _US,
        Recovery.SWITCH_READER,
        _WARNING,
        "the answer is larger than allowed",
        "Raise `[api] max_response_bytes` if this office is really that large.",
    ),
    FailureKind.COLUMN_TRUNCATED: Rule(
        _US,
        Recovery.NARROW_PACKING,
        _INFO,
        "the office's server cut a packed row",
        "Nothing to do; the next statement packs less into a row.",
    ),
    FailureKind.TOO_SPARSE: Rule(
        _US,
        Recovery.SWITCH_READER,
        _INFO,
        "the office's PatNums are too sparse to pack",
        "Nothing to do; this office is read in pages.",
    ),
    FailureKind.INCOMPLETE: Rule(
        _VENDOR,
        Recovery.REREAD,
        _WARNING,
        "the rows do not add up to the office's own control totals",
        "Nothing to do while it is read again; if it stays, report it to us.",
    ),
    FailureKind.UPLOAD_MISSING: Rule(
        _US,
        Recovery.RETRY,
        _WARNING,
        "the office's file did not come",
        "Check that the office's server reaches the address and port of `[sftp]` from outside; a firewall is the usual"
        " reason.",
    ),
    FailureKind.UPLOAD_TOO_LARGE: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the office's file is larger than `bytes_max` of `[sftp]` allows",
        "Raise `bytes_max` of `[sftp]` if the office is really that large, and restart the daemon.",
    ),
    FailureKind.UPLOAD_MISNAMED: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the office uploads under another name than the one that was asked for",
        "Report it to us with the office's version of Open Dental; nothing but the expected file is taken.",
    ),
    FailureKind.UPLOAD_UNREADABLE: Rule(
        _US,
        Recovery.REREAD,
        _WARNING,
        "what the office uploaded cannot be read for sure",
        "If it is your own query, give the columns of numbers first and as table patient names them.",
    ),
    FailureKind.AGING_CHANGED: Rule(
        _OFFICE,
        Recovery.WAIT_FOR_AGING,
        _INFO,
        "aging ran while the balances were read",
        "Nothing to do; the balances are read again once that run is over.",
    ),
    FailureKind.OTHER_DATABASE: Rule(
        _OFFICE,
        Recovery.IDENTIFY,
        _ERROR,
        "the key answers for another office's database",
        "Ask the office and the developer portal where the customer key was moved to. If this is the same practice with"
        " a new name or address: `oddaemon office accept`.",
    ),
    FailureKind.IMPLAUSIBLE: Rule(
        _US,
        Recovery.HOLD,
        _WARNING,
        "the balances are hard to believe",
        "Nothing to do: they are read again and published if they stay so. `oddaemon office accept` says so now.",
    ),
    FailureKind.HEADQUARTERS_DOWN: Rule(
        _VENDOR,
        Recovery.STAND_BY,
        _INFO,
        "Open Dental's API answers nobody",
        "One office after another tries, and all go on when it answers. If Open Dental is up elsewhere, check this"
        " network.",
    ),
    FailureKind.STORE: Rule(
        _US,
        Recovery.RETRY,
        _ERROR,
        "the snapshot could not be stored",
        "Check the disk that holds the database: space, permissions, health.",
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of one action."""

    kind: FailureKind
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
        message = f": {self.message}" if self.message else ""
        return f"{self.rule.meaning}{status}{message}"
