"""What went wrong at a PostgreSQL server, in our own words: its messages may quote rows, or the password."""

import re

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

_CONNECTION_MEANINGS = (
    (
        r"server does not support SSL|rejected SSL",
        "it does not support TLS, which sslmode in the DSN requires. Set `ssl = on` on the server",
    ),
    (r"certificate verify failed", "its certificate is not trusted. Check sslrootcert in the DSN"),
    (r"does not match host name", "its certificate is for another host"),
    (
        r"root certificate file",
        "the file of sslrootcert does not exist. Write sslrootcert=/path/to/ca.pem into the DSN",
    ),
    (r"certificate file|private key|certificate revocation", "cannot be reached. Check the files named in the DSN"),
    (r"SSL error|SSL SYSCALL|unrecognized SSL|received invalid response to SSL|unencrypted data", "no TLS connection"),
    (
        r"authentication method|requires? (password|.*authentication)|authentication request",
        "its way to log in is not supported, or not PostgreSQL's",
    ),
    (r"read-only|read-write|hot standby|standby mode", "it does not match target_session_attrs in the DSN"),
    (
        r"invalid .*value|invalid connection option|invalid integer|could not match|weak sslmode|must be",
        "the DSN contains an unknown setting",
    ),
    (
        r"no password supplied|authentication failed|pg_hba\.conf|role .* does not exist",
        _SQLSTATE_MEANINGS["28"],
    ),
    (r"database .* does not exist", _SQLSTATE_MEANINGS["3D"]),
    (r"too many (clients|connections)|connection slots|no more connections", _SQLSTATE_MEANINGS["53300"]),
    (r"starting up|shutting down|not yet accepting|recovery mode", _SQLSTATE_MEANINGS["57P"]),
    (r"could not translate host name|Name or service", "its name cannot be resolved"),
    (r"No such file|Permission denied", "cannot be reached. Check its socket, and the files named in the DSN"),
    (r"Too many open files|Cannot allocate memory|out of memory", "it has no memory or no file descriptor left"),
    (r"Connection refused|Network is unreachable|No route|timed out|timeout", "cannot be reached"),
)
"""By what libpq says while it connects, when it does not tell a SQLSTATE; the first match counts."""


def describe_sqlstate(sqlstate: str, error: Exception) -> str:
    """The meaning of an error that the server reported."""
    for length in (5, 3, 2):
        if (meaning := _SQLSTATE_MEANINGS.get(sqlstate[:length])) is not None:
            return meaning
    return f"SQLSTATE {sqlstate} ({type(error).__name__})" if re.fullmatch("[0-9A-Z]{5}", sqlstate) else "no known one"


def describe_refusal(server: str, message: str) -> str:
    """Why no connection was made, as one sentence."""
    for pattern, meaning in _CONNECTION_MEANINGS:
        if re.search(pattern, message):
            return (
                f"{server} {meaning}."
                if meaning.startswith("cannot")
                else f"{server} refused the connection: {meaning}."
            )
    return f"{server} cannot be reached: it closed the connection or sent something that is not PostgreSQL's protocol."
