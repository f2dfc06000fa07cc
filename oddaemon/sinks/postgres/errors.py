"""What went wrong at a PostgreSQL server, in our own words: its messages may quote rows, or the password."""

import re

from oddaemon.postgres_client.refusals import Refusal, find_refusal

_TABLES_CHANGED = (
    "its tables were changed. Let no other program change them. If you drop or rename the schema, "
    "oddaemon creates them again"
)
_SQLSTATE_MEANINGS = {
    "28": "the login failed. Check the user, the password and pg_hba.conf",
    "3D": "the database does not exist",
    "42501": "this user may not create or write the tables. Grant it CREATE and TEMPORARY on the database, "
    "and make it the owner of the schema and everything in it",
    "53100": "its disk is full",
    "53300": "it has too many connections",
    "25006": "it is read-only, as a standby is",
    "23": "a constraint or foreign key that oddaemon did not create was violated",
    "P0": "a trigger that oddaemon did not create raised an error",
    "57P": "it is shutting down or starting",
    "55P03": "another session holds its tables locked",
    "57014": "the statement was cancelled, by an administrator or by the statement_timeout of this user or database",
    "42704": "the DSN contains an unknown setting",
    "42P": _TABLES_CHANGED,
    "42703": _TABLES_CHANGED,
    "42804": _TABLES_CHANGED,
    "42883": _TABLES_CHANGED,
}
"""By SQLSTATE or its prefix; the longest match counts."""

_REFUSAL_MEANINGS = {
    Refusal.NO_TLS: "it does not support TLS, which sslmode in the DSN requires. Set `ssl = on` on the server",
    Refusal.UNTRUSTED: "its certificate is not trusted. Check sslrootcert in the DSN",
    Refusal.OTHER_HOST: "its certificate is for another host",
    Refusal.NO_ROOT_FILE: "the file of sslrootcert does not exist. Write sslrootcert=/path/to/ca.pem into the DSN",
    Refusal.UNREADABLE_FILE: "cannot be reached. Check the files named in the DSN",
    Refusal.TLS_FAILED: "no TLS connection",
    Refusal.LOGIN_METHOD: "its way to log in is not supported, or not PostgreSQL's",
    Refusal.SESSION_ATTRIBUTES: "it does not match target_session_attrs in the DSN",
    Refusal.SETTING: "the DSN contains an unknown setting",
    Refusal.LOGIN: _SQLSTATE_MEANINGS["28"],
    Refusal.NO_DATABASE: _SQLSTATE_MEANINGS["3D"],
    Refusal.TOO_MANY_CONNECTIONS: _SQLSTATE_MEANINGS["53300"],
    Refusal.STARTING: _SQLSTATE_MEANINGS["57P"],
    Refusal.UNRESOLVED: "its name cannot be resolved",
    Refusal.NO_SOCKET: "cannot be reached. Check its socket, and the files named in the DSN",
    Refusal.EXHAUSTED: "it has no memory or no file descriptor left",
    Refusal.UNREACHABLE: "cannot be reached",
    Refusal.UNKNOWN: "cannot be reached: it closed the connection or sent something that is not PostgreSQL's protocol",
}


def describe_sqlstate(sqlstate: str, error: Exception) -> str:
    """The meaning of an error that the server reported."""
    for length in (5, 3, 2):
        if (meaning := _SQLSTATE_MEANINGS.get(sqlstate[:length])) is not None:
            return meaning
    return f"SQLSTATE {sqlstate} ({type(error).__name__})" if re.fullmatch("[0-9A-Z]{5}", sqlstate) else "no known one"


def describe_refusal(server: str, message: str) -> str:
    """Why no connection was made, as one sentence."""
    meaning = _REFUSAL_MEANINGS[find_refusal(message)]
    return f"{server} {meaning}." if meaning.startswith("cannot") else f"{server} refused the connection: {meaning}."
