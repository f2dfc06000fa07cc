"""The DSN of a PostgreSQL database, parsed once: what is checked is exactly what the driver is given.

libpq's own reading of a URL differs from everybody else's (it takes a `?` or `#` for a part of the user's name, and
`ssl=true` for `sslmode=require`). So it never sees the URL, only these parameters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from oddaemon.core.private_network import is_private_host

VERIFYING_SSL_MODES = frozenset({"verify-ca", "verify-full"})
"""The modes that look at the server's certificate; `require` takes any."""
_SSL_MODES = VERIFYING_SSL_MODES | {"disable", "allow", "prefer", "require"}
_LENGTH_MAX = 2000
_PORT_MAX = 65_535
_HINT = "write it like postgresql://user:password@host/database?sslmode=verify-full"
_ESCAPE_HINT = "write @ : / ? # % of a password as %40 %3A %2F %3F %23 %25"
_OPTIONS = {
    *("user", "password", "dbname", "host", "hostaddr", "port", "passfile", "requirepeer", "require_auth"),
    *("channel_binding", "connect_timeout", "application_name", "fallback_application_name"),
    *("options", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "target_session_attrs", "load_balance_hosts", "min_protocol_version"),
    *("max_protocol_version"),
    *("sslmode", "sslnegotiation", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "sslcert", "sslkey"),
    *("sslpassword", "sslcertmode", "ssl_min_protocol_version", "ssl_max_protocol_version"),
}  # fmt: skip
"""Not among them: aliases, Kerberos, what reads parameters from a file, and what writes the keys of TLS to one."""


_PASSWORDS = {"password", "sslpassword"}
_PLAIN = re.compile(r"[\w./,:@-]+", re.ASCII)


class InvalidDsn(Exception):
    """The text is no DSN that can be used; the message never holds a part of it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Dsn:
    """The parameters of a connection."""

    parameters: Mapping[str, str]
    """By the name that libpq has for them."""
    hosts: tuple[str, ...]
    """Every host, address and socket that it names. A socket's directory begins with `/`, an abstract one with `@`."""

    @property
    def where(self) -> str:
        """The servers and the database, for people: `db.example.com/oddaemon`. No user, no password, no option."""
        ports = self.parameters.get("port", "").split(",")
        if len(ports) == 1:
            ports *= len(self.hosts)
        servers = (
            f"{host}:{port}" if port and not host.startswith(("/", "@")) else host
            for host, port in zip(self.hosts, ports, strict=False)
        )
        return f"{','.join(servers)}/{self.parameters.get('dbname') or self.parameters.get('user', '')}"

    @property
    def conninfo(self) -> str:
        """The parameters as the tools of PostgreSQL take them, without any password: they ask for it."""
        shown = {name: value for name, value in self.parameters.items() if name not in _PASSWORDS}
        return " ".join(f"{name}={_quote(value)}" for name, value in shown.items())

    @property
    def is_verified(self) -> bool:
        """Whether the certificate of the server is verified."""
        return self.parameters.get("sslmode") in VERIFYING_SSL_MODES

    @property
    def is_local(self) -> bool:
        """Whether every host is a socket, this machine, or an address on a private network."""
        return all(host.startswith(("/", "@")) or is_private_host(host) for host in self.hosts)


def parse_dsn(text: str) -> Dsn:
    """Parse `postgresql://user:password@host:port,host/database?option=value`.

    Raises:
        InvalidDsn: It is something else, names no host, or has an option that is not supported.
    """
    if not text.isprintable() or " " in text:
        raise InvalidDsn("the DSN contains white space or control characters", _HINT)
    if len(text) > _LENGTH_MAX:
        raise InvalidDsn(f"the DSN is longer than {_LENGTH_MAX} characters")
    try:
        parts = urlsplit(text)
        query = parts.query.replace("+", "%2B")  # a plus is no space here
        options = dict(parse_qsl(query, strict_parsing=True, errors="strict")) if query else {}
        user, password, database = (
            unquote(each, errors="strict") for each in (*_split_user(parts.netloc), parts.path.removeprefix("/"))
        )
        named = [_split_port(each) for each in _get_host_list(parts.netloc)]
    except ValueError:
        raise InvalidDsn("is not a valid DSN", _HINT) from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise InvalidDsn("the DSN must begin with postgresql://", _HINT)
    lists = [options[name].split(",") for name in ("host", "hostaddr") if name in options]
    hosts = (*(host for host, _ in named), *(each for names in lists for each in names))
    _check_places(parts, hosts, [*(port for _, port in named), *options.get("port", "").split(",")])
    given = {"user": user, "password": password, "dbname": database}
    if named:
        given["host"] = ",".join(host for host, _ in named)
        if any(port for _, port in named):  # as many as hosts; an empty one is the default
            given["port"] = ",".join(port for _, port in named)
    parameters = {name: value for name, value in (given | options).items() if value}
    _check_options(parameters)
    return Dsn(parameters, hosts)


def _quote(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _get_host_list(netloc: str) -> list[str]:
    text = netloc.rpartition("@")[2]
    return text.split(",") if text else []


def _split_user(netloc: str) -> tuple[str, str]:
    """The user and the password, as they are written."""
    user, _, password = netloc.rpartition("@")[0].partition(":")
    return user, password


def _split_port(text: str) -> tuple[str, str]:
    """A host and its port; an IPv6 address stands in brackets."""
    host, _, rest = text[1:].partition("]") if text.startswith("[") else text.partition(":")
    return unquote(host, errors="strict"), rest.removeprefix(":") if text.startswith("[") else rest


def _check_places(parts: SplitResult, hosts: tuple[str, ...], ports: list[str]) -> None:
    if parts.netloc.count("@") > 1:
        raise InvalidDsn("the DSN contains more than one @ before the database name", _ESCAPE_HINT)
    if not all(hosts):
        raise InvalidDsn("the DSN names an empty host")
    if not all(map(_is_port, ports)):
        raise InvalidDsn("the DSN names an invalid port", _ESCAPE_HINT)
    if parts.fragment or "@" in parts.path or "@" in parts.query:
        raise InvalidDsn("the DSN contains an unescaped @ or # behind the host", _ESCAPE_HINT)
    if not hosts:
        raise InvalidDsn(
            "the DSN names no host", "add the host, or the directory of the server's socket: ?host=/run/postgresql"
        )


def _check_options(parameters: Mapping[str, str]) -> None:
    if parameters.keys() - _OPTIONS:
        hint = "settings of the server are written as ?options=-c%20name%3Dvalue, the database as /name before the ?"
        raise InvalidDsn("the DSN contains an unknown setting, or one that is not supported", hint)
    if parameters.get("sslmode", "prefer") not in _SSL_MODES:
        raise InvalidDsn("the DSN contains an unknown sslmode", "write sslmode=verify-full")
    if any("\0" in value for value in parameters.values()):
        raise InvalidDsn("the DSN contains white space or control characters", _HINT)


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) <= _PORT_MAX)
