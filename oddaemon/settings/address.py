"""Addresses: of the API, of an office's own API, and of the listener."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from oddaemon.settings.wrong import wrong

HEADQUARTERS = "https://api.opendental.com/api/v1"
HEADQUARTERS_HOST = "api.opendental.com"
API_PATH = "/api/v1"

_PORT_MAX = 65_535
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_LOCAL_SUFFIXES = (".local", ".lan", ".localhost")


def checked_base_url(url: str) -> str:
    """`url` in one spelling: scheme and host in lower case, no slash at the end.

    Raises:
        PydanticCustomError: It is no URL of an API, or one over which keys would travel in the open.
    """
    parts, port = _split(url)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise wrong("holds credentials", "keys belong in `developer_key` and `customer_key`")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise wrong("must end with the path, without a query", f"such as {HEADQUARTERS}")
    if not (_is_ip(host) or _HOST.fullmatch(host)):
        raise wrong("has no valid host", f"write something like {HEADQUARTERS}")
    if parts.scheme == "http" and not is_near(url):
        raise wrong("would send keys and balances in the open", "http is for the office's own network; write https")
    netloc = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{netloc}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def is_near(url: str) -> bool:
    """Whether the host of a URL is on this machine or on a private network, as far as its name tells."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if _is_ip(host):
        address = ip_address(host)
        return address.is_private or address.is_loopback or address.is_link_local
    return "." not in host or host.endswith(_LOCAL_SUFFIXES)


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
    if not colon or not (_is_ip(host) or _HOST.fullmatch(host)):
        raise wrong("must be a host and a port", 'write it like "127.0.0.1:9464"')
    if not (port.isascii() and port.isdecimal() and len(port) <= len(str(_PORT_MAX)) and int(port) <= _PORT_MAX):
        raise wrong(f"the port must be a number from 0 to {_PORT_MAX}", 'write it like "127.0.0.1:9464"')
    return host, int(port)


def _split(url: str) -> tuple[SplitResult, int | None]:
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise wrong("contains white space or characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong("is not a valid URL", f"write something like {HEADQUARTERS}") from None
    if parts.scheme not in {"http", "https"}:
        raise wrong("must begin with https:// (or http:// on the office's own network)")
    return parts, port


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host
