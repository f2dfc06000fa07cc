"""The parameters of a connection to PostgreSQL: of the DSN and of this program, never of the environment or of a file.

Importing this module also silences psycopg's logger: it logs what a server says, which may quote rows or the password.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg.pq import Conninfo

from oddaemon.core.dsn import Dsn
from oddaemon.http_client.tls import find_ca_file

_ABSENT = "/dev/null/absent"
"""A file that cannot exist: libpq takes an empty name for its own default below the home directory."""
_EXPLICIT = {
    "passfile": _ABSENT,
    "sslcert": _ABSENT,
    "sslkey": _ABSENT,
    "sslcrl": _ABSENT,
    "sslrootcert": _ABSENT,
    "gssencmode": "disable",
    "require_auth": "!gss,!sspi,!oauth",  # these ask servers that no deadline of ours bounds
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
    "application_name": "oddaemon",
    "client_encoding": "UTF8",
}

logging.getLogger("psycopg").setLevel(logging.CRITICAL)


def build_parameters(dsn: Dsn, defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """All parameters of a connection: no default is left to the environment or to files of the home directory.

    Args:
        dsn: Of the database. What it says counts.
        defaults: Where it says nothing; None: libpq's own.
    """
    known = {option.keyword.decode(): (option.compiled or b"").decode() for option in Conninfo.get_defaults()}
    explicit = {name: value for name, value in (known | _EXPLICIT).items() if name in known and value}
    parameters = explicit | dict(defaults or {}) | dict(dsn.parameters)
    if Dsn(parameters, dsn.hosts).is_verified and dsn.parameters.get("sslrootcert", "system") == "system":
        parameters["sslrootcert"] = find_ca_file() or _ABSENT
    return parameters


def find_unreadable_file(dsn: Dsn) -> str:
    """The parameter whose file cannot be read; empty: there is none.

    Some files libpq ignores if they do not exist, at others it looks only once the server speaks TLS.
    """
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"):
        path = dsn.parameters.get(name, "")
        if path not in {"", "system"} and not os.access(path, os.R_OK):
            return name
    return ""


@contextmanager
def hiding_environment() -> Iterator[None]:
    """As `hide_environment`, within the block: for a program that is not ours and may rely on these variables."""
    hide_environment()
    try:
        yield
    finally:
        for name, value in os.environ.items():
            if name.startswith("PG"):
                os.putenv(name, value)


def hide_environment() -> None:
    """Hide libpq's variables from it: no parameter overrides PGSERVICE, PGTZ, PGDATESTYLE and PGGEQO.

    `os.environ` keeps them: a command of an `exec` sink may want them.
    """
    for name in os.environ:
        if name.startswith("PG"):
            os.unsetenv(name)
