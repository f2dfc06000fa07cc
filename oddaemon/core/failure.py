"""What can go wrong with an office, whose fault it is, and what is done about it: one table.

What no rule knows is still a failure: never a success, and never retried hot. How an answer is given its kind is in
`refusal.py`, what can be sent to the owner in `letters.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from oddaemon.core.kinds import Kind, Policy, Severity
from oddaemon.core.model import Owner

__all__ = ["RULES", "Failure", "Kind", "Policy", "Rule", "Severity"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose failure it is, what follows, how loud it is, what it means and what that person should do."""

    owner: Owner
    policy: Policy
    severity: Severity
    meaning: str
    advice: str


_US, _OFFICE, _VENDOR = Owner.US, Owner.OFFICE, Owner.VENDOR
_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

RULES: Mapping[Kind, Rule] = {
    Kind.CONNECT: Rule(
        _US,
        Policy.RETRY,
        _WARNING,
        "no connection to the API",
        "Check this machine's network and name resolution, and `base_url`.",
    ),
    Kind.TLS: Rule(
        _US,
        Policy.BLOCK,
        _ERROR,
        "the server's certificate was not accepted",
        "Check this machine's clock and CA certificates, and `base_url`; verification cannot be switched off.",
    ),
    Kind.TIMEOUT: Rule(
        _OFFICE,
        Policy.RETRY,
        _WARNING,
        "no answer in time",
        "If it stays: ask the office whether its server is very slow.",
    ),
    Kind.CONNECTION_LOST: Rule(
        _VENDOR,
        Policy.RETRY,
        _INFO,
        "the connection broke in the middle of an answer",
        "Nothing to do; it is asked again.",
    ),
    Kind.THROTTLED: Rule(
        _US,
        Policy.WAIT,
        _WARNING,
        "the API asks to slow down",
        "See whether another program uses the same customer key; raise `min_interval_seconds`.",
    ),
    Kind.GATEWAY_TIMEOUT: Rule(
        _OFFICE,
        Policy.RETRY,
        _WARNING,
        "the office needed longer than the API's limit of 60 seconds",
        "If it stays: ask the office whether its server is very slow.",
    ),
    Kind.SERVER_ERROR: Rule(
        _VENDOR,
        Policy.RETRY,
        _WARNING,
        "the API has an error of its own",
        "Nothing to do; if it stays for hours, write to Open Dental support.",
    ),
    Kind.ECONNECTOR_DOWN: Rule(
        _OFFICE,
        Policy.RETRY,
        _WARNING,
        "the office's eConnector is not running",
        "Ask the office to start the OpenDentalEConnector service on its server.",
    ),
    Kind.OFFICE_NETWORK: Rule(
        _OFFICE,
        Policy.RETRY,
        _WARNING,
        "the API cannot reach the office",
        "Ask the office whether its server and its internet connection are up.",
    ),
    Kind.OFFICE_DATABASE: Rule(
        _OFFICE,
        Policy.RETRY,
        _WARNING,
        "the office's database is in trouble",
        "Ask the office to have its database server checked: its disk, its log, its tables.",
    ),
    Kind.VERSION_TOO_OLD: Rule(
        _OFFICE,
        Policy.BLOCK,
        _ERROR,
        "the office's Open Dental is too old",
        "Ask the office to update Open Dental: queries need version 21.2 or later.",
    ),
    Kind.KEY_UNASSIGNED: Rule(
        _OFFICE,
        Policy.BLOCK,
        _ERROR,
        "the customer key is not assigned to an office",
        "Ask the office to enter the customer key in Setup, Advanced Setup, API, or assign it in the developer portal.",
    ),
    Kind.KEY_REJECTED: Rule(
        _OFFICE,
        Policy.BLOCK,
        _ERROR,
        "the API does not accept the key",
        "Check the key in the developer portal; ask the office whether it disabled it.",
    ),
    Kind.KEY_NEVER_ACCEPTED: Rule(
        _US,
        Policy.BLOCK,
        _ERROR,
        "the API does not accept the key, and never did",
        "Was the key typed right? Compare `customer_key` with the developer portal; if it is the same there, ask the"
        " office whether it is enabled.",
    ),
    Kind.KEY_CHANGING: Rule(
        _VENDOR,
        Policy.WAIT,
        _WARNING,
        "neither the new customer key is accepted yet nor the former one any more",
        "Nothing to do: Open Dental needs up to 15 minutes to put a key in force, and the office is asked again.",
    ),
    Kind.PERMISSION_MISSING: Rule(
        _US,
        Policy.BLOCK,
        _ERROR,
        "the key lacks a permission",
        'Give the key the Queries permission in the developer portal; or set `tier = "read_all"`, so that the office is'
        " read by the aging report.",
    ),
    Kind.QUERY_REFUSED: Rule(
        _VENDOR,
        Policy.CONFIRM,
        _WARNING,
        "the API refuses the query",
        "Report the refused word to us: the query text must change.",
    ),
    Kind.SQL_ERROR: Rule(
        _US,
        Policy.OTHER_READER,
        _WARNING,
        "the office's database refuses the query",
        "Report the message to us: the query text must change.",
    ),
    Kind.GATEWAY_REFUSED: Rule(
        _VENDOR,
        Policy.RETRY,
        _WARNING,
        "a gateway in front of the API refuses the request",
        "Check `base_url` and any proxy in between; if it stays, ask Open Dental support whether this machine's address"
        " is suspended.",
    ),
    Kind.UNKNOWN_400: Rule(
        _OFFICE,
        Policy.RETRY,
        _WARNING,
        "the API refused the request for a reason not known here",
        "Read the message; ask the office or Open Dental support about it.",
    ),
    Kind.UNKNOWN_401: Rule(
        _US,
        Policy.CONFIRM,
        _WARNING,
        "the API did not allow the query",
        "Check the key's permissions in the developer portal.",
    ),
    Kind.NOT_FOUND: Rule(
        _US,
        Policy.BLOCK,
        _ERROR,
        "the API does not know this address",
        "Check `base_url`: it ends in /api/v1.",
    ),
    Kind.UNEXPECTED_STATUS: Rule(
        _VENDOR,
        Policy.RETRY,
        _WARNING,
        "the API answered with a status that makes no sense here",
        "If it stays, check `base_url` and any proxy in between.",
    ),
    Kind.MALFORMED: Rule(
        _VENDOR,
        Policy.RETRY,
        _WARNING,
        "the answer cannot be read",
        "Nothing to do; it is asked again. If it stays, see which proxy or gateway answers.",
    ),
    Kind.OVERSIZED: Rule(
        _US,
        Policy.OTHER_READER,
        _WARNING,
        "the answer is larger than allowed",
        "Raise `[api] max_response_bytes` if this office is really that large.",
    ),
    Kind.LANE_CUT: Rule(
        _US,
        Policy.NARROWER,
        _INFO,
        "the office's server cut a packed row",
        "Nothing to do; the next statement packs less into a row.",
    ),
    Kind.TOO_SPARSE: Rule(
        _US,
        Policy.OTHER_READER,
        _INFO,
        "the office's PatNums are too sparse to pack",
        "Nothing to do; this office is read in pages.",
    ),
    Kind.INCOMPLETE: Rule(
        _VENDOR,
        Policy.REREAD,
        _WARNING,
        "the rows do not add up to the office's own control totals",
        "Nothing to do while it is read again; if it stays, report it to us.",
    ),
    Kind.UPLOAD_MISSING: Rule(
        _US,
        Policy.RETRY,
        _WARNING,
        "the office's file did not come",
        "Check that the office's server reaches the address and port of `[sftp]` from outside; a firewall is the usual"
        " reason.",
    ),
    Kind.UPLOAD_TOO_LARGE: Rule(
        _US,
        Policy.BLOCK,
        _ERROR,
        "the office's file is larger than `bytes_max` of `[sftp]` allows",
        "Raise `bytes_max` of `[sftp]` if the office is really that large, and restart the daemon.",
    ),
    Kind.UPLOAD_MISNAMED: Rule(
        _US,
        Policy.BLOCK,
        _ERROR,
        "the office uploads under another name than the one that was asked for",
        "Report it to us with the office's version of Open Dental; nothing but the expected file is taken.",
    ),
    Kind.UPLOAD_UNREADABLE: Rule(
        _US,
        Policy.REREAD,
        _WARNING,
        "what the office uploaded cannot be read for sure",
        "If it is your own query, give the columns of numbers first and as table patient names them.",
    ),
    Kind.AGING_MOVED: Rule(
        _OFFICE,
        Policy.WATCH,
        _INFO,
        "aging ran while the balances were read",
        "Nothing to do; the balances are read again once that run is over.",
    ),
    Kind.OTHER_DATABASE: Rule(
        _OFFICE,
        Policy.IDENTIFY,
        _ERROR,
        "the key answers for another office's database",
        "Ask the office and the developer portal where the customer key was moved to. If this is the same practice with"
        " a new name or address: `oddaemon office accept`.",
    ),
    Kind.IMPLAUSIBLE: Rule(
        _US,
        Policy.HOLD,
        _WARNING,
        "the balances are hard to believe",
        "Nothing to do: they are read again and published if they stay so. `oddaemon office accept` says so now.",
    ),
    Kind.HEADQUARTERS_DOWN: Rule(
        _VENDOR,
        Policy.STAND_BY,
        _INFO,
        "Open Dental's API answers nobody",
        "One office after another tries, and all go on when it answers. If Open Dental is up elsewhere, check this"
        " network.",
    ),
    Kind.STORE: Rule(
        _US,
        Policy.RETRY,
        _ERROR,
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
