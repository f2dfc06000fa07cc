"""What can go wrong with an office, who owns it, and what is done about it: one table.

A response that no rule knows is still a failure: never a success, and never retried without a back-off. `classify.py`
finds the kind of a response, `messages.py` holds what can be sent to the owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from oddaemon.core.model import Owner


class FailureKind(StrEnum):
    """Every kind of failure; the value is a label of metrics."""

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
    """Try again with exponential back-off: it passes by itself."""
    WAIT = "wait"
    """Wait for as long as the server says."""
    BLOCK = "block"
    """A human must act; probe slowly until then."""
    CONFIRM = "confirm"
    """Either the key or only the query is refused: a GET shows which."""
    SWITCH_READER = "other_reader"
    """This reader does not work for the office; another may."""
    NARROW_PACKING = "narrower"
    """Pack less into each row, then read again."""
    REREAD = "reread"
    """Discard what was read and read again, a bounded number of times."""
    WAIT_FOR_AGING = "watch"
    """Aging is running: probe until it has completed."""
    IDENTIFY = "identify"
    """The key may have been moved: check which database it opens."""
    HOLD = "hold"
    """Publish it only if a second reading confirms it, or a human accepts it."""
    STAND_BY = "stand_by"
    """Other offices detect the end of it: ask again at the office's own slot."""


class Severity(StrEnum):
    """The log level of the first failure in a row; the repetitions are not logged as loudly."""

    INFO = "info"
    """Expected now and then; no one has to look."""
    WARNING = "warning"
    """It recovers by itself, but an operator may want to know."""
    ERROR = "error"
    """It does not recover before a human acts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who owns a failure, what happens next, how severe it is, what it means and what the operator should do."""

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
        "Check this machine's network and DNS, and `base_url`.",
    ),
    FailureKind.TLS: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the server's TLS certificate was not accepted",
        "Check this machine's clock and CA certificates, and `base_url`. Certificate verification cannot be disabled.",
    ),
    FailureKind.TIMEOUT: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the request timed out",
        "If this persists, ask the office whether its server is overloaded.",
    ),
    FailureKind.CONNECTION_LOST: Rule(
        _VENDOR,
        Recovery.RETRY,
        _INFO,
        "the connection was lost in the middle of a response",
        "No action needed: oddaemon tries again.",
    ),
    FailureKind.THROTTLED: Rule(
        _US,
        Recovery.WAIT,
        _WARNING,
        "the API asks oddaemon to slow down",
        "Check whether another program uses the same customer key. If not, raise `min_interval_seconds`.",
    ),
    FailureKind.GATEWAY_TIMEOUT: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the office did not answer within the API's limit of 60 seconds",
        "If this persists, ask the office whether its server is overloaded.",
    ),
    FailureKind.SERVER_ERROR: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "the API reported an internal error",
        "No action needed: oddaemon tries again. If this persists for hours, contact Open Dental support.",
    ),
    FailureKind.ECONNECTOR_DOWN: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the office's eConnector is not running",
        "Ask the office to start the eConnector on its server, and to make sure that only one is running.",
    ),
    FailureKind.OFFICE_NETWORK: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the API cannot reach the office",
        "Ask the office whether its server is running and its internet connection works.",
    ),
    FailureKind.OFFICE_DATABASE: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the office's database reported an error",
        "Ask the office to have its database server checked: disk space, error log, damaged tables.",
    ),
    FailureKind.VERSION_TOO_OLD: Rule(
        _OFFICE,
        Recovery.BLOCK,
        _ERROR,
        "the office's version of Open Dental is too old",
        "Ask the office to update Open Dental. Queries need version 21.2 or later.",
    ),
    FailureKind.KEY_UNASSIGNED: Rule(
        _OFFICE,
        Recovery.BLOCK,
        _ERROR,
        "the customer key is not assigned to an office",
        "Ask the office to enter the customer key in Setup > Advanced Setup > API, or assign it in the developer"
        " portal.",
    ),
    FailureKind.KEY_REJECTED: Rule(
        _OFFICE,
        Recovery.BLOCK,
        _ERROR,
        "the API does not accept the key",
        "Check the key in the developer portal, and ask the office whether it disabled the key.",
    ),
    FailureKind.KEY_NEVER_ACCEPTED: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the API has never accepted the key",
        "Compare `customer_key` with the key in the developer portal. If they are equal, ask the office whether the key"
        " is enabled.",
    ),
    FailureKind.KEY_CHANGING: Rule(
        _VENDOR,
        Recovery.WAIT,
        _WARNING,
        "neither the new nor the previous customer key is accepted",
        "No action needed: Open Dental takes up to 15 minutes to activate a key. oddaemon tries again.",
    ),
    FailureKind.PERMISSION_MISSING: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the key lacks a permission",
        'Give the key the Queries permission in the developer portal, or set `tier = "read_all"` to read the office'
        " through the aging report.",
    ),
    FailureKind.QUERY_REFUSED: Rule(
        _VENDOR,
        Recovery.CONFIRM,
        _WARNING,
        "the API refused the query",
        "Report the message to the developers of oddaemon: the text of the query must change.",
    ),
    FailureKind.SQL_ERROR: Rule(
        _US,
        Recovery.SWITCH_READER,
        _WARNING,
        "the office's database refused the query",
        "Report the message to the developers of oddaemon: the text of the query must change.",
    ),
    FailureKind.GATEWAY_REFUSED: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "a gateway in front of the API refused the request",
        "Check `base_url` and any proxy on the way. If this persists, ask Open Dental support whether this machine's IP"
        " address is suspended.",
    ),
    FailureKind.UNKNOWN_400: Rule(
        _OFFICE,
        Recovery.RETRY,
        _WARNING,
        "the API refused the request for an unknown reason",
        "Read the message, and ask the office or Open Dental support about it.",
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
        "the API does not know this URL",
        "Check `base_url`: it must end in /api/v1.",
    ),
    FailureKind.UNEXPECTED_STATUS: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "the API answered with an unexpected HTTP status",
        "If this persists, check `base_url` and any proxy on the way.",
    ),
    FailureKind.MALFORMED: Rule(
        _VENDOR,
        Recovery.RETRY,
        _WARNING,
        "the response is malformed",
        "No action needed: oddaemon tries again. If this persists, check whether a proxy or gateway answers.",
    ),
    FailureKind.OVERSIZED: Rule(
        _US,
        Recovery.SWITCH_READER,
        _WARNING,
        "the response is larger than `[api] max_response_bytes` allows",
        "Raise `[api] max_response_bytes` if the office really is that large, and restart the daemon.",
    ),
    FailureKind.COLUMN_TRUNCATED: Rule(
        _US,
        Recovery.NARROW_PACKING,
        _INFO,
        "the office's server truncated a packed row",
        "No action needed: the next statement packs less into each row.",
    ),
    FailureKind.TOO_SPARSE: Rule(
        _US,
        Recovery.SWITCH_READER,
        _INFO,
        "the office's PatNums are too sparse to pack",
        "No action needed: oddaemon reads this office in pages.",
    ),
    FailureKind.INCOMPLETE: Rule(
        _VENDOR,
        Recovery.REREAD,
        _WARNING,
        "the rows do not add up to the office's own control totals",
        "No action needed: oddaemon reads again. If this persists, report it to the developers of oddaemon.",
    ),
    FailureKind.UPLOAD_MISSING: Rule(
        _US,
        Recovery.RETRY,
        _WARNING,
        "the office did not upload its file",
        "Check that the office's server can reach the address and port of `[sftp]` from outside. The usual cause is a"
        " firewall.",
    ),
    FailureKind.UPLOAD_TOO_LARGE: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the office's file is larger than `[sftp] bytes_max` allows",
        "Raise `[sftp] bytes_max` if the office really is that large, and restart the daemon.",
    ),
    FailureKind.UPLOAD_MISNAMED: Rule(
        _US,
        Recovery.BLOCK,
        _ERROR,
        "the office uploaded a file under another name than requested",
        "Report it to the developers of oddaemon with the office's version of Open Dental.",
    ),
    FailureKind.UPLOAD_UNREADABLE: Rule(
        _US,
        Recovery.REREAD,
        _WARNING,
        "the file that the office uploaded cannot be read with certainty",
        "If the query is your own, put the numeric columns first and name them as table `patient` does.",
    ),
    FailureKind.AGING_CHANGED: Rule(
        _OFFICE,
        Recovery.WAIT_FOR_AGING,
        _INFO,
        "aging ran while the balances were being read",
        "No action needed: oddaemon reads the balances again when that run has ended.",
    ),
    FailureKind.OTHER_DATABASE: Rule(
        _OFFICE,
        Recovery.IDENTIFY,
        _ERROR,
        "the key opens another office's database",
        "Check with the developer portal and the office whether the customer key was moved. If it is the same"
        " practice with a new name or address, run `oddaemon office accept`.",
    ),
    FailureKind.IMPLAUSIBLE: Rule(
        _US,
        Recovery.HOLD,
        _WARNING,
        "the balances are implausible",
        "No action needed: oddaemon reads them again and publishes them if they are confirmed. To publish them now, run"
        " `oddaemon office accept`.",
    ),
    FailureKind.HEADQUARTERS_DOWN: Rule(
        _VENDOR,
        Recovery.STAND_BY,
        _INFO,
        "the Open Dental API is down: no office can reach it",
        "No action needed: oddaemon tries again and continues with all offices when the API answers. If it answers from"
        " elsewhere, check this machine's network.",
    ),
    FailureKind.STORE: Rule(
        _US,
        Recovery.RETRY,
        _ERROR,
        "the snapshot could not be stored",
        "Check the disk that holds the database: free space, permissions, health.",
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of one action."""

    kind: FailureKind
    message: str = ""
    """The error text of the other side, truncated and free of secrets."""
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def rule(self) -> Rule:
        """The rule of this kind."""
        return RULES[self.kind]

    @property
    def sentence(self) -> str:
        """What happened, as a clause, with the error text of the other side."""
        status = f" (HTTP {self.status})" if self.status else ""
        message = f": {self.message}" if self.message else ""
        return f"{self.rule.meaning}{status}{message}"
