"""Errors of PostgreSQL, by SQLSTATE, translated to the store's own.

The server's own text is never shown: its DETAIL quotes rows. So the errors have no cause, either.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import DBAPIError

from oddaemon.http_client.host_errors import measure_exhaustion
from oddaemon.postgres_client.refusals import Refusal, find_refusal
from oddaemon.store.errors import DatabaseLost, DatabaseUnusable


@dataclass(frozen=True, slots=True)
class ServerFault:
    """What is wrong, as the end of a sentence; what to do; whether waiting can help."""

    what: str
    advice: str
    is_transient: bool = True
    is_lost: bool = False
    """Whether the connection is of no use any more."""

    def make_error(self, where: str) -> DatabaseUnusable:
        """The error to raise."""
        return self.make_loss(where) if self.is_lost else self.make_refusal(where)

    def make_refusal(self, where: str) -> DatabaseUnusable:
        """The error where there was no connection that could be lost."""
        return DatabaseUnusable(self._describe(where), self.advice, is_transient=self.is_transient)

    def make_loss(self, where: str) -> DatabaseLost:
        """The error where the connection is of no use any more."""
        return DatabaseLost(self._describe(where), self.advice)

    def _describe(self, where: str) -> str:
        return f"The database {where} cannot be used: {self.what}."


RECONNECTS = "The daemon connects again by itself."
_ASK_SERVER = "Check that it runs and what its log says."

LOGIN = ServerFault(
    "the server refused the login",
    "Check the user and the password in the database's URL, and pg_hba.conf on the server.",
)
NO_DATABASE = ServerFault(
    "the server has no database of this name",
    "Create it, encoded in UTF8 and owned by oddaemon's user, or correct the name in the database's URL.",
)
NO_RIGHTS = ServerFault(
    "its user lacks rights",
    "Make oddaemon's user the owner of the database, or of the schema and of every table in it. A user that only reads "
    "needs SELECT on every table.",
)
READ_ONLY = ServerFault(
    "the server is read-only, as a standby is",
    "Name the primary in the database's URL, or every server of the cluster: the one that can be written is used.",
    is_lost=True,
)
TOO_MANY_CONNECTIONS = ServerFault(
    "the server has no connection left",
    "Raise max_connections on the server, or find the program that uses up its connections. A daemon needs four, and "
    "one more at times.",
)
OUT_OF_MEMORY = ServerFault("the server is out of memory", "Find what uses up the memory of the server.")
DISK_FULL = ServerFault(
    "the disk of the server is full",
    "Free some space on it. No transaction is half-written, and all published snapshots are safe.",
)
STOPPED = ServerFault("the server is shutting down or starting", RECONNECTS, is_lost=True)
TERMINATED = ServerFault(
    "the server ended the connection", f"{RECONNECTS} If it recurs, see the server's log.", is_lost=True
)
LOST = ServerFault("the connection to the server was lost", f"{RECONNECTS} {_ASK_SERVER}", is_lost=True)
SILENT = ServerFault(
    "the server did not answer in time", f"{RECONNECTS} Check the server and the network to it.", is_lost=True
)
CHANGED = ServerFault(
    "its tables were changed by another program",
    "Restore a backup. Let no other program change these tables.",
    is_transient=False,
)
DAMAGED = ServerFault(
    "the server reports damaged data",
    "Stop the daemons, and have the server's data checked and restored from a backup.",
    is_transient=False,
)
FAULT_BY_SQLSTATE: Mapping[str, ServerFault] = {
    "08": LOST,
    "25006": READ_ONLY,
    "25P03": ServerFault(
        "the server ended a transaction in which this machine was silent",
        f"{RECONNECTS} Check whether this machine is overloaded or was suspended.",
        is_lost=True,
    ),
    "28": LOGIN,
    "3D": NO_DATABASE,
    "40001": ServerFault("the transaction collided with another one", "It is tried again."),
    "40P01": ServerFault("the transaction collided with another one", "It is tried again."),
    "42501": NO_RIGHTS,
    "42P01": CHANGED,
    "42703": CHANGED,
    "53100": DISK_FULL,
    "53200": OUT_OF_MEMORY,
    "53300": TOO_MANY_CONNECTIONS,
    "53": ServerFault("the server has used up a resource", _ASK_SERVER),
    "55P03": ServerFault(
        "another session keeps what it needs locked",
        "Find that session in pg_stat_activity: a psql with an open transaction, a VACUUM FULL, a dump with --clean.",
    ),
    "57014": ServerFault(
        "the server cancelled a statement that took too long",
        "Check the load of the server, and whether someone cancels its statements.",
    ),
    "57P": STOPPED,
    "57P01": TERMINATED,
    "57P05": TERMINATED,
    "58": ServerFault("the disk of the server reports an error", "Check the server's log and its disk."),
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
"""By SQLSTATE or its beginning; the longest counts. What is not here is a bug."""

_TLS_ADVICE = "Check sslmode and sslrootcert in the database's URL, and the certificate of the server."
FAULT_BY_REFUSAL: Mapping[Refusal, ServerFault] = {
    Refusal.NO_TLS: ServerFault(
        "the server has no TLS", "Set `ssl = on` on the server. Only a server next door may be used without."
    ),
    Refusal.UNTRUSTED: ServerFault("the certificate of the server is not trusted", _TLS_ADVICE),
    Refusal.OTHER_HOST: ServerFault("the certificate of the server is for another host", _TLS_ADVICE),
    Refusal.NO_ROOT_FILE: ServerFault(
        "the file of sslrootcert does not exist", "Write sslrootcert=/path/to/ca.pem into the database's URL."
    ),
    Refusal.UNREADABLE_FILE: ServerFault(
        "a file that its URL names cannot be read", "Check sslcert, sslkey, sslcrl and passfile in the URL."
    ),
    Refusal.TLS_FAILED: ServerFault("TLS with the server failed, or it is no PostgreSQL", _TLS_ADVICE),
    Refusal.LOGIN_METHOD: ServerFault(
        "the server asks for a kind of login that is not supported", "Use scram-sha-256 in pg_hba.conf."
    ),
    Refusal.SESSION_ATTRIBUTES: READ_ONLY,
    Refusal.SETTING: ServerFault(
        "its URL has a setting that the server or its driver refuses",
        "Correct the URL: `oddaemon check` shows where it stands.",
        is_transient=False,
    ),
    Refusal.LOGIN: LOGIN,
    Refusal.NO_DATABASE: NO_DATABASE,
    Refusal.TOO_MANY_CONNECTIONS: TOO_MANY_CONNECTIONS,
    Refusal.STARTING: ServerFault("the server is shutting down or starting", "Wait, or see the server's log."),
    Refusal.UNRESOLVED: ServerFault(
        "the name of its server cannot be resolved", "Check the host in the database's URL, and DNS on this machine."
    ),
    Refusal.NO_SOCKET: ServerFault(
        "the server's socket does not exist or may not be used", f"Check the directory in the URL. {_ASK_SERVER}"
    ),
    Refusal.EXHAUSTED: ServerFault(
        "this machine or the server has no memory or no file descriptor left", "Find the process that uses them up."
    ),
    Refusal.UNREACHABLE: ServerFault(
        "the server cannot be reached", f"Check host and port in the database's URL and any firewall. {_ASK_SERVER}"
    ),
    Refusal.UNKNOWN: ServerFault(
        "the server ended the connection, or is no PostgreSQL",
        f"Check host and port in the database's URL. {_ASK_SERVER}",
    ),
}


@contextmanager
def translate_errors(where: str) -> Iterator[None]:
    """Translate errors of an open connection; those that only a bug can cause pass unchanged.

    Raises:
        DatabaseLost: the connection is of no use any more.
        DatabaseUnusable: it is.
    """
    try:
        yield
    except (DBAPIError, psycopg.Error, OSError) as error:
        fault = find_fault(error.orig if isinstance(error, DBAPIError) else error)
        if fault is None:
            raise
        raise fault.make_error(where) from None


@contextmanager
def translate_refusals(where: str) -> Iterator[None]:
    """Translate why a connection could not be opened.

    Raises:
        DatabaseUnusable: with the reason.
    """
    try:
        yield
    except (psycopg.Error, OSError) as error:
        sqlstate = getattr(error, "sqlstate", None)
        fault = _find_by_sqlstate(sqlstate) if sqlstate else None
        if fault is None:
            refusal = Refusal.EXHAUSTED if measure_exhaustion() is not None else find_refusal(str(error))
            fault = FAULT_BY_REFUSAL[refusal]
        raise fault.make_refusal(where) from None


def find_fault(error: BaseException | None) -> ServerFault | None:
    """The fault behind an error of the driver on an open connection; None: the error is a bug."""
    if isinstance(error, OSError):
        return LOST
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate:
        return _find_by_sqlstate(error.sqlstate)
    return LOST if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else None


def _find_by_sqlstate(sqlstate: str) -> ServerFault | None:
    found = (FAULT_BY_SQLSTATE.get(sqlstate[:length]) for length in (5, 3, 2))
    return next((fault for fault in found if fault is not None), None)
