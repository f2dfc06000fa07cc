"""The host names that the listener answers to; a request for another host is rejected.

A hostile site can point its own name at this machine ("DNS rebinding"), and the browser of its visitor would then read
this listener for the site. The `Host` header of such a request reveals it.
"""

import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from oddaemon.core.client_network import parse_address

RESOLUTION_SECONDS = 3.0

_HOST = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<plain>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Names in lower case, in addition to loopback and the local address of the connection."""

    names: frozenset[str] = frozenset()

    def is_allowed(self, host: str, local_address: str) -> bool:
        """Whether `host` is ours, with any port: a tunnel or a proxy may use another.

        Args:
            host: The value of a `Host` header.
            local_address: The address of this end of the connection.
        """
        parsed = _HOST.fullmatch(host)
        if parsed is None:
            return False
        bare = parsed["bracketed"] or parsed["plain"].lower().removesuffix(".")
        address = parse_address(bare)
        if address is None:
            return parsed["bracketed"] is None and (bare == "localhost" or bare in self.names)
        return address.is_loopback or address == parse_address(local_address) or str(address) in self.names


async def resolve_allowed_hosts(listen: str, allowed: Iterable[str]) -> AllowedHosts:
    """The names that a listener answers to.

    Args:
        listen: The host of `[http] listen`; unless it is loopback, the machine's own names are allowed, too.
        allowed: Further hosts, normalized.
    """
    names = {listen.lower().removesuffix("."), *allowed}
    address = parse_address(listen)
    if listen != "localhost" and not (address and address.is_loopback):
        names |= await _find_machine_names()
    return AllowedHosts(frozenset(names))


async def _find_machine_names() -> set[str]:
    """The host name with and without its domain, and its canonical name."""
    name = socket.gethostname().lower()
    names = {name, name.partition(".")[0]}
    found = []
    # The listener must start even if name resolution fails or hangs.
    with anyio.move_on_after(RESOLUTION_SECONDS), suppress(OSError, UnicodeError):
        found = await anyio.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    return names | {canonical.lower().removesuffix(".") for _, _, _, canonical, _ in found if canonical}
