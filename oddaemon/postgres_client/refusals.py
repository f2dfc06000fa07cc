"""Why a PostgreSQL server could not be connected to, by what libpq says: it has no SQLSTATE while it connects."""

import re
from enum import Enum, auto


class Refusal(Enum):
    """Why there is no connection."""

    NO_TLS = auto()
    """It has no TLS, which sslmode requires."""
    UNTRUSTED = auto()
    """No trusted certificate."""
    OTHER_HOST = auto()
    """Its certificate is for another host."""
    NO_ROOT_FILE = auto()
    """The file of sslrootcert does not exist."""
    UNREADABLE_FILE = auto()
    """A file of the DSN cannot be read."""
    TLS_FAILED = auto()
    """TLS failed for another reason."""
    LOGIN_METHOD = auto()
    """Its way to log in is not supported."""
    SESSION_ATTRIBUTES = auto()
    """It is not what target_session_attrs asks for."""
    SETTING = auto()
    """The DSN has a setting or a value that is not known."""
    LOGIN = auto()
    """The user or the password is wrong, or pg_hba.conf does not allow it."""
    NO_DATABASE = auto()
    """There is no such database."""
    TOO_MANY_CONNECTIONS = auto()
    """It has as many connections as it may."""
    STARTING = auto()
    """It is starting or shutting down."""
    UNRESOLVED = auto()
    """The name of the host cannot be resolved."""
    NO_SOCKET = auto()
    """There is no socket, or it may not be used."""
    EXHAUSTED = auto()
    """Out of memory or of descriptors, here or there."""
    UNREACHABLE = auto()
    """It cannot be reached."""
    UNKNOWN = auto()
    """It ended the connection, or its message is in another language."""


_PATTERNS = (
    (r"server does not support SSL|rejected SSL", Refusal.NO_TLS),
    (r"certificate verify failed", Refusal.UNTRUSTED),
    (r"does not match host name", Refusal.OTHER_HOST),
    (r"root certificate file", Refusal.NO_ROOT_FILE),
    (r"certificate file|private key|certificate revocation", Refusal.UNREADABLE_FILE),
    (r"SSL error|SSL SYSCALL|unrecognized SSL|received invalid response to SSL|unencrypted data", Refusal.TLS_FAILED),
    (r"authentication method|requires? (password|.*authentication)|authentication request", Refusal.LOGIN_METHOD),
    (r"read-only|read-write|hot standby|standby mode", Refusal.SESSION_ATTRIBUTES),
    (
        r"invalid .*value|invalid connection option|invalid integer|could not match|weak sslmode|must be",
        Refusal.SETTING,
    ),
    (r"no password supplied|authentication failed|pg_hba\.conf|role .* does not exist", Refusal.LOGIN),
    (r"database .* does not exist", Refusal.NO_DATABASE),
    (r"too many (clients|connections)|connection slots|no more connections", Refusal.TOO_MANY_CONNECTIONS),
    (r"starting up|shutting down|not yet accepting|recovery mode", Refusal.STARTING),
    (r"could not translate host name|Name or service", Refusal.UNRESOLVED),
    (r"No such file|Permission denied", Refusal.NO_SOCKET),
    (r"Too many open files|Cannot allocate memory|out of memory", Refusal.EXHAUSTED),
    (r"Connection refused|Network is unreachable|No route|timed out|timeout", Refusal.UNREACHABLE),
)
"""The first match counts."""


def find_refusal(message: str) -> Refusal:
    """What libpq's message means."""
    return next((refusal for pattern, refusal in _PATTERNS if re.search(pattern, message)), Refusal.UNKNOWN)
