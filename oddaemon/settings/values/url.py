"""Addresses: of the API, of an office's own API, of the listener, and of who is pushed to.

Keys and balances never travel in the open: plain http is for addresses that cannot be anybody else's. A name is no such
address, whatever it looks like: where it leads is decided later, elsewhere, and may change.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from oddaemon.settings.values.invalid import invalid

HEADQUARTERS = "https://api.opendental.com/api/v1"
HEADQUARTERS_HOST = "api.opendental.com"
API_PATH = "/api/v1"

PRIVATE_NETWORKS = tuple(
    map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"))
)
"""This machine and private networks (RFC 1918, RFC 4193). Neither what providers share (100.64.0.0/10) nor what is
link-local belongs to them; what Python calls private holds more, and other things with each version."""

_PORT_MAX = 65_535
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_NUMERIC_HOST = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)\.?")
"""Systems take such names for addresses, in ways of their own: 0x7f.1, 2130706433, 0177.0.0.1."""
_BRACKETED = re.compile(r"\[[^\]]*:[^\]]*\](:[0-9]*)?")
_LOCAL_SUFFIXES = (".local", ".lan", ".localhost")


def normalize_base_url(url: str) -> str:
    """`url` in one spelling: scheme and host in lower case, no dot after the host, no slash at the end.

    Raises:
        PydanticCustomError: It is no URL of an API, or one over which keys would travel in the open.
    """
    parts, port = _split_url(url)
    host = (parts.hostname or "").removesuffix(".")
    if parts.username is not None or parts.password is not None:
        raise invalid("holds credentials", "keys belong in `developer_key` and `customer_key`")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise invalid("must end with the path, without a query", f"such as {HEADQUARTERS}")
    _require_secure_host(parts, host, HEADQUARTERS, "would send keys and balances in the open")
    netloc = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{netloc}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def validate_push_url(url: str) -> str:
    """`url` as it is, if balances may be sent there.

    Raises:
        PydanticCustomError: It is no URL, or one over which they would travel in the open.
    """
    return _validate_receiver_url(url, "the receiver knows us by the signature", "would send balances in the open")


def validate_ping_url(url: str) -> str:
    """`url` as it is, if a request may go there that nobody else is to learn of.

    Raises:
        PydanticCustomError: It is no URL, or whoever listens on the way would learn it.
    """
    return _validate_receiver_url(url, "the path or the query is the secret", "would be sent in the open")


def _validate_receiver_url(url: str, credentials_hint: str, insecure_message: str) -> str:
    parts, _ = _split_url(url)
    host = (parts.hostname or "").removesuffix(".")
    if parts.username is not None or parts.password is not None:
        raise invalid("holds credentials", credentials_hint)
    if "#" in url:
        raise invalid("holds a fragment, which no server is ever sent")
    _require_secure_host(parts, host, "https://example.com/balances", insecure_message)
    return url


def _require_secure_host(parts: SplitResult, host: str, example: str, insecure_message: str) -> None:
    if not is_host(host) or ("[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc)):
        raise invalid("has no valid host", f"write something like {example}")
    if parts.scheme == "http" and not is_private_host(host):
        raise invalid(
            insecure_message,
            "write https; http is for localhost and for private addresses, written as numbers such as 192.168.1.5",
        )


def is_local_url(url: str) -> bool:
    """Whether the host of a URL seems to be on this machine or on a private network: for advice, never for safety."""
    host = urlsplit(url).hostname or ""
    return is_private_host(host) or "." not in host or host.endswith(_LOCAL_SUFFIXES)


def is_host(host: str) -> bool:
    """Whether `host` is an address, without brackets or zone, or a name that nobody takes for an address."""
    return parse_address(host) is not None or bool(_HOST.fullmatch(host) and not _NUMERIC_HOST.fullmatch(host))


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is; None for names. An IPv4 address in the clothes of IPv6 is that IPv4 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id else address.ipv4_mapped or address


def normalize_host(host: str) -> str:
    """A host without a port, in the one spelling in which hosts are compared.

    Raises:
        PydanticCustomError: It is none.
    """
    unbracketed = host[1:-1] if host.startswith("[") and host.endswith("]") and ":" in host else host
    if not is_host(unbracketed):
        raise invalid("must be a host's name or address", "without a port, such as balances.example.com")
    return str(parse_address(unbracketed) or unbracketed.lower().removesuffix("."))


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`; port 0 lets the system choose.

    Raises:
        PydanticCustomError: It is neither.
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


def is_private_host(host: str) -> bool:
    """Whether it is this machine, or a private address written as a number."""
    if host == "localhost":
        return True
    address = parse_address(host)
    return address is not None and any(address in network for network in PRIVATE_NETWORKS)


def _split_url(url: str) -> tuple[SplitResult, int | None]:
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise invalid("contains white space or characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid("is not a valid URL", f"write something like {HEADQUARTERS}") from None
    if parts.scheme not in {"http", "https"}:
        raise invalid("must begin with https:// (or http:// on the office's own network)")
    if port == 0:
        raise invalid("is not a valid URL", "nobody can be reached on port 0")
    return parts, port
