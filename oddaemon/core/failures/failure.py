"""What can go wrong with an office, who owns it, what is done about it, and what is said about it.

A response that no rule knows is still a failure: never a success, and never retried without a back-off. `classify.py`
finds the kind of a response, `messages.py` writes to the owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from oddaemon.core.failures.recovery import Recovery, Severity
from oddaemon.core.model import Owner


class FailureKind(StrEnum):
    """Every kind of failure: its label in metrics, who owns it, what happens next and how severe it is."""

    owner: Owner
    recovery: Recovery
    severity: Severity

    def __new__(cls, label: str, owner: Owner, recovery: Recovery, severity: Severity) -> Self:
        """A member, from its line below."""
        kind = str.__new__(cls, label)
        kind._value_ = label
        kind.owner, kind.recovery, kind.severity = owner, recovery, severity
        return kind

    CONNECT = "connect", Owner.US, Recovery.SOON, Severity.WARNING
    NAME_UNRESOLVED = "name_unresolved", Owner.US, Recovery.SOON, Severity.WARNING
    NO_ROUTE = "no_route", Owner.US, Recovery.SOON, Severity.ERROR
    FILES_EXHAUSTED = "files_exhausted", Owner.US, Recovery.SOON, Severity.ERROR
    MEMORY_EXHAUSTED = "memory_exhausted", Owner.US, Recovery.SOON, Severity.ERROR
    DISK_FULL = "disk_full", Owner.US, Recovery.SOON, Severity.ERROR
    PROXY = "proxy", Owner.US, Recovery.SOON, Severity.ERROR
    PROXY_CONNECTION_LOST = "proxy_connection_lost", Owner.US, Recovery.RETRY, Severity.WARNING
    TLS = "tls", Owner.US, Recovery.BLOCK, Severity.ERROR
    TIMEOUT = "timeout", Owner.OFFICE, Recovery.RETRY, Severity.WARNING
    CONNECTION_LOST = "connection_lost", Owner.VENDOR, Recovery.RETRY, Severity.INFO
    THROTTLED = "throttled", Owner.US, Recovery.WAIT, Severity.WARNING
    GATEWAY_TIMEOUT = "gateway_timeout", Owner.OFFICE, Recovery.RETRY, Severity.WARNING
    SERVER_ERROR = "server_error", Owner.VENDOR, Recovery.RETRY, Severity.WARNING
    ECONNECTOR_DOWN = "econnector_down", Owner.OFFICE, Recovery.RETRY, Severity.WARNING
    OFFICE_NETWORK = "office_network", Owner.OFFICE, Recovery.RETRY, Severity.WARNING
    OFFICE_DATABASE = "office_database", Owner.OFFICE, Recovery.RETRY, Severity.WARNING
    QUERY_USER_RESTRICTED = "query_user_restricted", Owner.OFFICE, Recovery.CONFIRM, Severity.ERROR
    VERSION_TOO_OLD = "version_too_old", Owner.OFFICE, Recovery.BLOCK, Severity.ERROR
    KEY_UNASSIGNED = "key_unassigned", Owner.OFFICE, Recovery.BLOCK, Severity.ERROR
    KEY_REJECTED = "key_rejected", Owner.OFFICE, Recovery.BLOCK, Severity.ERROR
    KEY_NEVER_ACCEPTED = "key_never_accepted", Owner.US, Recovery.BLOCK, Severity.ERROR
    KEY_CHANGING = "key_changing", Owner.VENDOR, Recovery.WAIT, Severity.WARNING
    PERMISSION_MISSING = "permission_missing", Owner.US, Recovery.BLOCK, Severity.ERROR
    QUERY_REFUSED = "query_refused", Owner.VENDOR, Recovery.CONFIRM, Severity.WARNING
    SQL_ERROR = "sql_error", Owner.US, Recovery.SWITCH_READER, Severity.WARNING
    GATEWAY_REFUSED = "gateway_refused", Owner.VENDOR, Recovery.RETRY, Severity.WARNING
    UNKNOWN_400 = "unknown_400", Owner.OFFICE, Recovery.RETRY, Severity.WARNING
    UNKNOWN_401 = "unknown_401", Owner.US, Recovery.CONFIRM, Severity.WARNING
    NOT_FOUND = "not_found", Owner.US, Recovery.BLOCK, Severity.ERROR
    UNEXPECTED_STATUS = "unexpected_status", Owner.VENDOR, Recovery.RETRY, Severity.WARNING
    MALFORMED = "malformed", Owner.VENDOR, Recovery.RETRY, Severity.WARNING
    OVERSIZED = "oversized", Owner.US, Recovery.SWITCH_READER, Severity.WARNING
    TOO_MANY_GUARANTORS = "too_many_guarantors", Owner.US, Recovery.BLOCK, Severity.ERROR
    COLUMN_TRUNCATED = "column_truncated", Owner.US, Recovery.NARROW_PACKING, Severity.INFO
    TOO_SPARSE = "too_sparse", Owner.US, Recovery.SWITCH_READER, Severity.INFO
    INCOMPLETE = "incomplete", Owner.VENDOR, Recovery.REREAD, Severity.WARNING
    UPLOAD_MISSING = "upload_missing", Owner.US, Recovery.RETRY, Severity.WARNING
    UPLOAD_TOO_LARGE = "upload_too_large", Owner.US, Recovery.BLOCK, Severity.ERROR
    UPLOAD_MISNAMED = "upload_misnamed", Owner.US, Recovery.BLOCK, Severity.ERROR
    UPLOAD_UNREADABLE = "upload_unreadable", Owner.US, Recovery.REREAD, Severity.WARNING
    AGING_CHANGED = "aging_changed", Owner.OFFICE, Recovery.WAIT_FOR_AGING, Severity.INFO
    OTHER_DATABASE = "other_database", Owner.OFFICE, Recovery.IDENTIFY, Severity.ERROR
    IMPLAUSIBLE = "implausible", Owner.US, Recovery.HOLD, Severity.WARNING
    HEADQUARTERS_DOWN = "headquarters_down", Owner.VENDOR, Recovery.STAND_BY, Severity.INFO
    STORE = "store", Owner.US, Recovery.RETRY, Severity.ERROR

    @property
    def meaning(self) -> str:
        """What happened, as a clause."""
        return FAILURE_TEXTS[self].meaning

    @property
    def advice(self) -> str:
        """What the operator should do."""
        return FAILURE_TEXTS[self].advice


class FailureText(NamedTuple):
    """What is said about a kind of failure: to the operator, and to its owner."""

    meaning: str
    advice: str
    observation: str = ""
    """In the message to the owner: what we saw; empty: no message helps."""
    request: str = ""
    """In the message to the owner: what we ask for."""


FAILURE_TEXTS: Mapping[FailureKind, FailureText] = {
    FailureKind.CONNECT: FailureText(
        "no connection to the API",
        "Check this machine's network and DNS, and `base_url`.",
    ),
    FailureKind.NAME_UNRESOLVED: FailureText(
        "the name of the API's host cannot be resolved",
        "Check this machine's DNS (`resolvectl status`, /etc/resolv.conf) and `base_url`.",
    ),
    FailureKind.NO_ROUTE: FailureText(
        "this machine has no route to the API",
        "Check this machine's network: its link, its default route, its firewall, its free local ports.",
    ),
    FailureKind.FILES_EXHAUSTED: FailureText(
        "no free file descriptor is left on this machine",
        "Raise `LimitNOFILE` of the unit (`ulimit -n`) or lower `[api] max_in_flight`. `oddaemon check` compares the"
        " two.",
    ),
    FailureKind.MEMORY_EXHAUSTED: FailureText(
        "no free memory is left on this machine",
        "Find what uses up this machine's memory or threads, or raise `MemoryMax` and `TasksMax` of the unit.",
    ),
    FailureKind.DISK_FULL: FailureText(
        "this machine's disk is full",
        "Free some space on this machine's disk.",
    ),
    FailureKind.PROXY: FailureText(
        "the proxy opens no connection to the API",
        "Check the proxy, and `[api] proxy_url`: its address, user and password. The proxy must allow CONNECT to the"
        " API's host and port.",
    ),
    FailureKind.PROXY_CONNECTION_LOST: FailureText(
        "the connection through the proxy was lost",
        "oddaemon tries again. If it stays, check whether the proxy limits the length of connections or responses."
        " The API may have closed the connection, too.",
    ),
    FailureKind.TLS: FailureText(
        "the server's TLS certificate was not accepted",
        "Check this machine's clock and CA certificates, and `base_url`. Certificate verification cannot be disabled.",
    ),
    FailureKind.TIMEOUT: FailureText(
        "the request timed out",
        "If this persists, ask the office whether its server is overloaded.",
        "Your Open Dental server did not answer our requests in time.",
        "Could you please have someone check whether the server is overloaded at night, for example by a backup or an"
        " update that runs at the same time?",
    ),
    FailureKind.CONNECTION_LOST: FailureText(
        "the connection was lost in the middle of a response",
        "No action needed: oddaemon tries again.",
        "The connection to your API is repeatedly lost in the middle of a response.",
        "Could you please tell us whether something between your API and us cuts long responses?",
    ),
    FailureKind.THROTTLED: FailureText(
        "the API asks oddaemon to slow down",
        "Check whether another program uses the same customer key. If not, raise `min_interval_seconds`.",
    ),
    FailureKind.GATEWAY_TIMEOUT: FailureText(
        "the office did not answer within the API's limit of 60 seconds",
        "If this persists, ask the office whether its server is overloaded.",
        "Your Open Dental server took longer than one minute to answer, which is the limit of the Open Dental API.",
        "Could you please have someone check whether the server is overloaded at night, for example by a backup or an"
        " update that runs at the same time?",
    ),
    FailureKind.SERVER_ERROR: FailureText(
        "the API reported an internal error",
        "No action needed: oddaemon tries again. If this persists for hours, contact Open Dental support.",
        "Your API answers with an internal error.",
        "Could you please tell us whether this problem is known, and when you expect it to be fixed?",
    ),
    FailureKind.ECONNECTOR_DOWN: FailureText(
        "the office's eConnector is not running",
        "Ask the office to start the eConnector, and to make sure that only one is running. Open Dental shows an Alert"
        " at the office when the eConnector stops.",
        "Open Dental reports that your eConnector is not running, or that more than one is running.",
        "Could you please start it in eServices Setup > eConnector Service > Start, and make sure that it runs on one"
        " computer only? Open Dental also shows an Alert when it has stopped. If you use Open Dental Cloud, or if it"
        " stops again, Open Dental support can help.",
    ),
    FailureKind.OFFICE_NETWORK: FailureText(
        "the API cannot reach the office",
        "Ask the office whether its server is running and its internet connection works.",
        "Open Dental reports that it cannot reach your server over the internet.",
        "Could you please check that the server is running and that its internet connection works?",
    ),
    FailureKind.OFFICE_DATABASE: FailureText(
        "the office's database reported an error",
        "Ask the office to have its database server checked: disk space, error log, damaged tables.",
        "The database of your Open Dental server reports an error.",
        "Could you please have the person who maintains your server check the database (MySQL or MariaDB), its free"
        " disk space and its backups? Open Dental support can help to check and repair tables.",
    ),
    FailureKind.QUERY_USER_RESTRICTED: FailureText(
        "the office runs queries as a database user that may not read the tables",
        "Ask the office to let that user read the tables patient and preference. It is named by `<UserLow>` in the"
        " eConnector's file OpenDentalWebConfig.xml.",
        "Your eConnector runs the queries of the Open Dental API as a database user with fewer rights, and this user"
        " may not read a table that we need. It is set by <UserLow> in the file OpenDentalWebConfig.xml of the"
        " eConnector.",
        "Could you please have the person who maintains your server let this user read the tables patient,"
        " preference and clinic? Patient alone is enough for the balances.",
    ),
    FailureKind.VERSION_TOO_OLD: FailureText(
        "the office's version of Open Dental is too old",
        "Ask the office to update Open Dental. Queries need version 21.2 or later.",
        "Your version of Open Dental is too old for our requests.",
        "Could you please update Open Dental? We need version 21.2 or later.",
    ),
    FailureKind.KEY_UNASSIGNED: FailureText(
        "the customer key is not assigned to an office",
        "Ask the office to enter the customer key in Setup > Advanced Setup > API, or assign it in the developer"
        " portal.",
        "Open Dental reports that our API key is not assigned to your practice.",
        "Could you please open Setup > Advanced Setup > API in Open Dental, add the key that we gave you, and check"
        " that the box Enabled of the API itself is ticked there? We will gladly send the key again in a secure way.",
    ),
    FailureKind.KEY_REJECTED: FailureText(
        "the API does not accept the key",
        "Check the key in the developer portal, and ask the office whether it disabled the key or the API.",
        "Open Dental no longer accepts our API key for your practice.",
        "Could you please check in Setup > Advanced Setup > API in Open Dental whether the key was disabled or removed,"
        " or the box Enabled of the API itself was cleared, and enable it again? If that was intended, please let us"
        " know.",
    ),
    FailureKind.KEY_NEVER_ACCEPTED: FailureText(
        "the API has never accepted the key",
        "Compare `customer_key` with the key in the developer portal. If they are equal, ask the office whether the key"
        " is enabled.",
        "Open Dental does not accept our API key for your practice yet.",
        "Could you please check in Setup > Advanced Setup > API in Open Dental whether our key is entered there and"
        " enabled, and whether the box Enabled of the API itself is ticked? We will gladly send the key again in a"
        " secure way.",
    ),
    FailureKind.KEY_CHANGING: FailureText(
        "neither the new nor the previous customer key is accepted",
        "No action needed: Open Dental takes up to 15 minutes to activate a key. oddaemon tries again.",
        "A new API key for one of the practices is not accepted yet, and the previous key is no longer accepted.",
        "Could you please tell us whether the new key is on its way to the practice, and when it will be active?",
    ),
    FailureKind.PERMISSION_MISSING: FailureText(
        "the key lacks a permission",
        'Give the key the Queries permission in the developer portal, or set `tier = "read_all"` to read the office'
        " through the aging report. The office sees the key's permissions in Setup > Advanced Setup > API and cannot"
        " change them.",
    ),
    FailureKind.QUERY_REFUSED: FailureText(
        "the API refused the query",
        "Report the message to the developers of oddaemon: the text of the query must change.",
        "Your API refuses one of our ShortQuery statements, which is a plain SELECT on the tables patient and"
        " preference.",
        "Could you please tell us which word or construct in it is not allowed, and since when? We will gladly send you"
        " the statement.",
    ),
    FailureKind.SQL_ERROR: FailureText(
        "the office's database refused the query",
        "Report the message to the developers of oddaemon: the text of the query must change.",
    ),
    FailureKind.GATEWAY_REFUSED: FailureText(
        "a gateway in front of the API refused the request",
        "Check `base_url` and any proxy on the way. If this persists, ask Open Dental support whether this machine's IP"
        " address is suspended.",
        "Our requests are refused, it seems by a firewall or gateway in front of your API.",
        "Could you please check whether our network's IP address is suspended, and tell us what we should change?",
    ),
    FailureKind.UNKNOWN_400: FailureText(
        "the API refused the request for an unknown reason",
        "Read the message, and ask the office or Open Dental support about it.",
        "Open Dental refuses our requests to your server for a reason that we do not know.",
        "Could you please check that your server is running, that Open Dental works on it and that the eConnector is"
        " running (eServices Setup > eConnector Service)? If all of that is fine, please let us know, and we will"
        " contact Open Dental support.",
    ),
    FailureKind.UNKNOWN_401: FailureText(
        "the API did not allow the query",
        "Check the key's permissions in the developer portal.",
    ),
    FailureKind.NOT_FOUND: FailureText(
        "the API does not know this URL",
        "Check `base_url`: it must end in /api/v1.",
    ),
    FailureKind.UNEXPECTED_STATUS: FailureText(
        "the API answered with an unexpected HTTP status",
        "If this persists, check `base_url` and any proxy on the way.",
        "Your API answers with a status that we cannot find in its documentation.",
        "Could you please tell us what it means?",
    ),
    FailureKind.MALFORMED: FailureText(
        "the response is malformed",
        "No action needed: oddaemon tries again. If this persists, check whether a proxy or gateway answers.",
        "Responses of your API with status 200 are not what its documentation describes.",
        "Could you please check what your API sends? We will gladly tell you the times of such requests.",
    ),
    FailureKind.OVERSIZED: FailureText(
        "the response is larger than `[api] max_response_bytes` allows",
        "Raise `[api] max_response_bytes` if the office really is that large, and restart the daemon.",
    ),
    FailureKind.TOO_MANY_GUARANTORS: FailureText(
        "the office has more guarantors than `[api] max_guarantors` allows",
        "Raise `[api] max_guarantors` if the office really is that large, and restart the daemon.",
    ),
    FailureKind.COLUMN_TRUNCATED: FailureText(
        "the office's server truncated a packed row",
        "No action needed: the next statement packs less into each row.",
    ),
    FailureKind.TOO_SPARSE: FailureText(
        "the office's PatNums are too sparse to pack",
        "No action needed: oddaemon reads this office in pages.",
    ),
    FailureKind.INCOMPLETE: FailureText(
        "the rows do not add up to the office's own control totals",
        "No action needed: oddaemon reads again. If this persists, report it to the developers of oddaemon.",
        "Responses to a ShortQuery for one office are incomplete: their rows do not add up to the COUNT and SUM that"
        " the same office reports.",
        "Could you please check whether rows are lost on the way? We will gladly tell you the office and the times.",
    ),
    FailureKind.UPLOAD_MISSING: FailureText(
        "the office did not upload its file",
        "Check that the office's server can reach the address and port of `[sftp]` from outside. The usual cause is a"
        " firewall.",
    ),
    FailureKind.UPLOAD_TOO_LARGE: FailureText(
        "the office's file is larger than `[sftp] bytes_max` allows",
        "Raise `[sftp] bytes_max` if the office really is that large, and restart the daemon.",
    ),
    FailureKind.UPLOAD_MISNAMED: FailureText(
        "the office uploaded a file under another name than requested",
        "Report it to the developers of oddaemon with the office's version of Open Dental.",
    ),
    FailureKind.UPLOAD_UNREADABLE: FailureText(
        "the file that the office uploaded cannot be read with certainty",
        "If the query is your own, put the numeric columns first and name them as table `patient` does.",
    ),
    FailureKind.AGING_CHANGED: FailureText(
        "aging of all or of some families ran while the balances were being read",
        "No action needed: oddaemon reads the balances again when it has ended.",
    ),
    FailureKind.OTHER_DATABASE: FailureText(
        "the key opens another office's database",
        "Check with the developer portal and the office whether the customer key was moved. If it is the same"
        " practice with a new name or address, run `oddaemon office accept`.",
        "Our API key for your practice seems to open the database of another practice, so we stopped at once.",
        "Could you please check in Setup > Advanced Setup > API in Open Dental whether our key is still the one of your"
        " practice, and tell us whether your practice was merged, moved or renamed recently?",
    ),
    FailureKind.IMPLAUSIBLE: FailureText(
        "the balances are implausible",
        "No action needed: oddaemon reads them again and publishes them if they are confirmed. To publish them now, run"
        " `oddaemon office accept`.",
    ),
    FailureKind.HEADQUARTERS_DOWN: FailureText(
        "the Open Dental API is down: no office can reach it",
        "No action needed: oddaemon tries again and continues with all offices when the API answers. If it answers from"
        " elsewhere, check this machine's network.",
        "Your API currently answers none of our requests, for any office.",
        "Could you please tell us whether this problem is known, and when you expect it to be fixed?",
    ),
    FailureKind.STORE: FailureText(
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
    def sentence(self) -> str:
        """What happened, as a clause, with the error text of the other side."""
        status = f" (HTTP {self.status})" if self.status else ""
        message = f": {self.message}" if self.message else ""
        return f"{self.kind.meaning}{status}{message}"
