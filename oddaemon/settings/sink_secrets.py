"""What makes a sink's secret one: the key that requests are signed with, and the address of a database."""

import base64
import binascii
from urllib.parse import parse_qsl, urlsplit

from oddaemon.settings.address import is_own_network
from oddaemon.settings.credentials import Flaw
from oddaemon.settings.secret import Secret

PREFIX = "whsec_"
_BYTES_MIN, _BYTES_MAX = 24, 64
"""As Standard Webhooks has it."""
_DSN_LENGTH_MAX = 2000
_ENCRYPTED = {"require", "verify-ca", "verify-full"}


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
        options = dict(parse_qsl(parts.query))
    except ValueError:
        return Flaw("is not a valid DSN", how)
    if parts.scheme not in {"postgresql", "postgres"}:
        return Flaw("the DSN does not begin with postgresql://", how)
    hosts = options.get("host") or parts.netloc.rpartition("@")[2]
    if options.get("sslmode") not in _ENCRYPTED and not all(_is_next_door(host) for host in hosts.split(",")):
        return Flaw(
            "would send balances in the open",
            "add ?sslmode=verify-full; only sockets, localhost and private addresses, written as numbers, do without",
        )
    return Secret(value)


def _is_next_door(host: str) -> bool:
    """Whether it is a socket's directory, this machine, or a private address; a port may follow."""
    if not host or host.startswith(("/", "@")):
        return True
    bare = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_own_network(bare)
