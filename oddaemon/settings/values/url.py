"""Validates URLs and hosts: of the API, of an office's own API, of the listener, and of receivers.

Keys and balances are never sent unencrypted over foreign networks: plain http is allowed only for addresses on this
machine or on private networks. A host name is never such an address: DNS decides later where it leads.
"""

import re
from urllib.parse import SplitResult, urlsplit

from oddaemon.core.client_network import parse_address
from oddaemon.core.private_network import is_private_host
from oddaemon.settings.values.invalid import invalid

HEADQUARTERS = "https://api.opendental.com/api/v1"
HEADQUARTERS_HOST = "api.opendental.com"
API_PATH = "/api/v1"

_PORT_MAX = 65_535
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_NUMERIC_HOST = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)\.?")
"""Systems interpret such names as addresses, each in its own way: 0x7f.1, 2130706433, 0177.0.0.1."""
_BRACKETED = re.compile(r"\[[^\]]*:[^\]]*\](:[0-9]*)?")
_LOCAL_SUFFIXES = (".local", ".lan", ".localhost")


def normalize_base_url(url: str) -> str:
    """Normalize a URL: scheme and host in lower case, no dot after the host, no slash at the end.

    Raises:
        PydanticCustomError: It is not a URL of an API, or would send keys unencrypted.
    """
    parts, port = _split_url(url)
    host = (parts.hostname or "").removesuffix(".")
    if parts.username is not None or parts.password is not None:
        raise invalid("contains credentials", "keys belong in `developer_key` and `customer_key`")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise invalid("must end with the path, without a query", f"such as {HEADQUARTERS}")
    _require_secure_host(parts, host, HEADQUARTERS, "would send keys and balances unencrypted")
    netloc = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{netloc}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def validate_push_url(url: str) -> None:
    """Check that balances may be sent to a URL. Raises as `_validate_receiver_url` does."""
    hint = "remove them: the receiver verifies the signature instead"
    _validate_receiver_url(url, hint, "would send balances unencrypted")


def validate_ping_url(url: str) -> None:
    """Check that a secret request may be sent to a URL. Raises as `_validate_receiver_url` does."""
    _validate_receiver_url(url, "put the secret into the path or the query", "would be sent unencrypted")


def validate_proxy_url(url: str) -> None:
    """Check `http://user:password@host:port` or `https://…` of a proxy.

    Raises:
        PydanticCustomError: It is something else.
    """
    example = "write something like http://proxy.example.com:3128"
    if url.partition("://")[0].startswith("socks"):
        raise invalid("is a SOCKS proxy, which is not supported", "use a proxy that supports HTTP CONNECT")
    parts, _ = _split_url(url, "must begin with http:// or https://")
    if not is_host((parts.hostname or "").removesuffix(".")):
        raise invalid("has no valid host", example)
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise invalid("must end with the host and port", example)


def require_https_behind_proxy(url: str, name: str) -> None:
    """Check that what a proxy forwards is encrypted.

    Raises:
        PydanticCustomError: A plain http URL, which is allowed on this machine and on private networks only.
    """
    if urlsplit(url).scheme != "https":
        raise invalid(f"requires `{name}` to begin with https://", "remove it: addresses on own networks need no proxy")


def _validate_receiver_url(url: str, credentials_hint: str, insecure_message: str) -> None:
    """Check the URL of a receiver.

    Raises:
        PydanticCustomError: It is not a URL, or what is sent to it would be sent unencrypted.
    """
    parts, _ = _split_url(url)
    host = (parts.hostname or "").removesuffix(".")
    if parts.username is not None or parts.password is not None:
        raise invalid("contains credentials", credentials_hint)
    if "#" in url:
        raise invalid("contains a fragment, which is never sent to a server")
    _require_secure_host(parts, host, "https://example.com/balances", insecure_message)


def _require_secure_host(parts: SplitResult, host: str, example: str, insecure_message: str) -> None:
    if not is_host(host) or ("[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc)):
        raise invalid("has no valid host", f"write something like {example}")
    if parts.scheme == "http" and not is_private_host(host):
        raise invalid(
            insecure_message,
            "use https; http is allowed for localhost and for private IP addresses such as 192.168.1.5",
        )


def is_local_url(url: str) -> bool:
    """Whether the host of a URL seems to be on this machine or on a private network. For advice, never for safety."""
    host = urlsplit(url).hostname or ""
    return is_private_host(host) or "." not in host or host.endswith(_LOCAL_SUFFIXES)


def is_host(host: str) -> bool:
    """Whether `host` is an address without brackets or zone, or a name that no system interprets as an address."""
    if parse_address(host) is not None:
        return "%" not in host
    return bool(_HOST.fullmatch(host) and not _NUMERIC_HOST.fullmatch(host))


def normalize_host(host: str) -> str:
    """Normalize a host without a port, for comparison.

    Raises:
        PydanticCustomError: It is not a host.
    """
    unbracketed = host[1:-1] if host.startswith("[") and host.endswith("]") and ":" in host else host
    if not is_host(unbracketed):
        raise invalid("must be a host name or an IP address without a port", "such as balances.example.com")
    return str(parse_address(unbracketed) or unbracketed.lower().removesuffix("."))


def split_listen(listen: str) -> tuple[str, int]:
    """Split `127.0.0.1:9464` or `[::1]:9464` into host and port; port 0 lets the system choose.

    Raises:
        PydanticCustomError: It is not a host and a port.
    """
    host, colon, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not colon or not is_host(host):
        raise invalid("must be a host and a port", 'write it like "127.0.0.1:9464"')
    if not (port.isascii() and port.isdecimal() and len(port) <= len(str(_PORT_MAX)) and int(port) <= _PORT_MAX):
        raise invalid(f"the port must be a number from 0 to {_PORT_MAX}", 'write it like "127.0.0.1:9464"')
    return host, int(port)


def _split_url(
    url: str, scheme_message: str = "must begin with https:// (or http:// on the office's own network)"
) -> tuple[SplitResult, int | None]:
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise invalid("contains white space or characters that are not allowed in a URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid("is not a valid URL", f"write something like {HEADQUARTERS}") from None
    if parts.scheme not in {"http", "https"}:
        raise invalid(scheme_message)
    if port == 0:
        raise invalid("is not a valid URL", "port 0 cannot be reached")
    return parts, port
