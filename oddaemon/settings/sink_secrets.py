"""What makes a sink's secret one: the key that requests are signed with, and the address of a database."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from oddaemon.settings.address import is_own_network
from oddaemon.settings.credentials import Flaw
from oddaemon.settings.secret import Secret

PREFIX = "whsec_"
_BYTES_MIN, _BYTES_MAX = 24, 64
"""As Standard Webhooks has it."""
_DSN_LENGTH_MAX = 2000
_ENCRYPTED = {"require", "verify-ca", "verify-full"}
_PORT_MAX = 65_535
_ESCAPED = "a password's own @ : / ? # % are written as %40 %3A %2F %3F %23 %25"


def checked_signing_secret(value: str) -> Secret | Flaw:
    """`whsec_` and base64 of 24 to 64 bytes."""
    how = "make one with: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\""
    if not value.startswith(PREFIX):
        return Flaw(f"the secret does not begin with {PREFIX}", how)
    try:
        key = base64.b64decode(value.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return Flaw(f"what follows {PREFIX} is not base64", how)
    if not _BYTES_MIN <= len(key) <= _BYTES_MAX:
        return Flaw(f"the secret has {len(key)} bytes; it must have {_BYTES_MIN} to {_BYTES_MAX}", how)
    return Secret(value)


def signing_key(secret: Secret) -> bytes:
    """The bytes to sign with, of a checked secret."""
    return base64.b64decode(secret.reveal().removeprefix(PREFIX))


def checked_dsn(value: str) -> Secret | Flaw:
    """`postgresql://user:password@host/database`, over which no balance travels in the open."""
    how = "write it like postgresql://user:password@host/database?sslmode=verify-full"
    if not value.isprintable() or " " in value:
        return Flaw("the DSN contains white space or control characters", how)
    if len(value) > _DSN_LENGTH_MAX:
        return Flaw(f"the DSN is longer than {_DSN_LENGTH_MAX} characters")
    try:
        parts = urlsplit(value)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        return Flaw("is not a valid DSN", how)
    if parts.scheme not in {"postgresql", "postgres"}:
        return Flaw("the DSN does not begin with postgresql://", how)
    return _flaw_of_place(parts.netloc, options) or Secret(value)


def _flaw_of_place(netloc: str, options: Mapping[str, str]) -> Flaw | None:
    who, _, named = netloc.rpartition("@")
    if "@" in who:
        return Flaw("the DSN holds more than one @ before its database", _ESCAPED)
    # Drivers differ in which of the two they follow: neither may lead elsewhere.
    hosts = [unquote(host) for each in (named, options.get("host")) if each for host in each.split(",")]
    if not all(hosts):
        return Flaw("the DSN names a host that is empty")
    if not all(map(_is_port, (*map(_port_of, hosts), *options.get("port", "").split(",")))):
        return Flaw("the DSN names a port that is none", _ESCAPED)
    if options.get("sslmode") not in _ENCRYPTED and not all(map(_is_next_door, hosts)):
        return Flaw(
            "would send balances in the open",
            "add ?sslmode=verify-full; only sockets, localhost and private addresses, written as numbers, do without",
        )
    return None


def _is_next_door(host: str) -> bool:
    """Whether it is a socket's directory, this machine, or a private address; a port may follow."""
    if host.startswith(("/", "@")):
        return True
    bare = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_own_network(bare)


def _port_of(host: str) -> str:
    """What stands behind the host's colon."""
    return "" if host.startswith(("/", "@")) else host.rpartition("]")[2].partition(":")[2]


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) <= _PORT_MAX)
