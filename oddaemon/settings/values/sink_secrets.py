"""Validates the secrets of sinks: the signing key of a webhook, and the DSN of a database."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from oddaemon.core.secret import Secret
from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.url import is_private_host

SIGNING_SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
_BYTES_MIN, _BYTES_MAX = 24, 64
"""The limits of Standard Webhooks."""
_DSN_LENGTH_MAX = 2000
_ENCRYPTED_SSL_MODES = {"require", "verify-ca", "verify-full"}
_PORT_MAX = 65_535
_ESCAPE_HINT = "write @ : / ? # % of a password as %40 %3A %2F %3F %23 %25"


def check_signing_secret(value: str) -> None:
    """Check `whsec_` and base64 of 24 to 64 bytes.

    Raises:
        PydanticCustomError: It is something else.
    """
    hint = "make one with: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\""
    if not value.startswith(SIGNING_SECRET_PREFIX):
        raise invalid(f"the secret must begin with {SIGNING_SECRET_PREFIX}", hint)
    try:
        key = base64.b64decode(value.removeprefix(SIGNING_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"the part after {SIGNING_SECRET_PREFIX} is not valid base64", hint) from None
    if not _BYTES_MIN <= len(key) <= _BYTES_MAX:
        raise invalid(f"the secret has {len(key)} bytes; it must have {_BYTES_MIN} to {_BYTES_MAX}", hint)


def decode_signing_key(secret: Secret) -> bytes:
    """The bytes to sign with, of a checked secret."""
    return base64.b64decode(secret.reveal().removeprefix(SIGNING_SECRET_PREFIX))


def check_dsn(value: str) -> None:
    """Check `postgresql://user:password@host/database`, which must not send balances unencrypted.

    Raises:
        PydanticCustomError: It is something else, or would send them so.
    """
    hint = "write it like postgresql://user:password@host/database?sslmode=verify-full"
    if not value.isprintable() or " " in value:
        raise invalid("the DSN contains white space or control characters", hint)
    if len(value) > _DSN_LENGTH_MAX:
        raise invalid(f"the DSN is longer than {_DSN_LENGTH_MAX} characters")
    try:
        parts = urlsplit(value)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise invalid("is not a valid DSN", hint) from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise invalid("the DSN must begin with postgresql://", hint)
    _check_dsn_hosts(parts.netloc, options)


def _check_dsn_hosts(netloc: str, options: Mapping[str, str]) -> None:
    user_info, _, host_list = netloc.rpartition("@")
    if "@" in user_info:
        raise invalid("the DSN contains more than one @ before the database name", _ESCAPE_HINT)
    # Drivers differ in which of the two they use, so both are checked.
    hosts = [
        unquote(host) for hosts_text in (host_list, options.get("host")) if hosts_text for host in hosts_text.split(",")
    ]
    if not all(hosts):
        raise invalid("the DSN names an empty host")
    if not all(map(_is_port, (*map(_extract_port, hosts), *options.get("port", "").split(",")))):
        raise invalid("the DSN names an invalid port", _ESCAPE_HINT)
    if options.get("sslmode") not in _ENCRYPTED_SSL_MODES and not all(map(_is_trusted_host, hosts)):
        raise invalid(
            "would send balances unencrypted",
            "add ?sslmode=verify-full; only sockets, localhost and private IP addresses may omit it",
        )


def _is_trusted_host(host: str) -> bool:
    """Whether it is the directory of a socket, this machine, or a private address, with or without a port."""
    if host.startswith(("/", "@")):
        return True
    bare = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_private_host(bare)


def _extract_port(host: str) -> str:
    """Extract the text after the colon of a host."""
    return "" if host.startswith(("/", "@")) else host.rpartition("]")[2].partition(":")[2]


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) <= _PORT_MAX)
