"""Validates the secrets of sinks: the signing key of a webhook, and the DSN of a database."""

import base64
import binascii

from oddaemon.core.dsn import InvalidDsn, parse_dsn
from oddaemon.core.secret import Secret
from oddaemon.settings.values.invalid import invalid

SIGNING_SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
_BYTES_MIN, _BYTES_MAX = 24, 64
"""The limits of Standard Webhooks."""


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
    """Check `postgresql://user:password@host/database`, which must name a server that is verified or next door.

    Raises:
        PydanticCustomError: It is something else, or balances could go to a stranger.
    """
    try:
        dsn = parse_dsn(value)
    except InvalidDsn as error:
        raise invalid(error.message, error.hint) from None
    if dsn.is_verified or dsn.is_local:
        return
    if dsn.parameters.get("sslmode") == "require":
        raise invalid(
            "would send balances to a server whose certificate is not verified",
            "write sslmode=verify-full; `require` accepts every certificate",
        )
    raise invalid(
        "would send balances unencrypted",
        "add ?sslmode=verify-full; only sockets, localhost and private IP addresses may omit it",
    )
