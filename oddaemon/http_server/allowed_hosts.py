"""Under which names the listener is asked for; a request for any other is not meant for it.

A page of another site can have its own name lead here ("DNS rebinding"), and the browser of whoever looks at that page
would read this listener for it. What gives it away is the `Host` of its requests.
"""

import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import anyio

RESOLUTION_SECONDS = 3.0

_HOST = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<plain>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Names in lower case, besides those of loopback and the address at which a connection arrived."""

    names: frozenset[str] = frozenset()

    def is_allowed(self, host: str, local_address: str) -> bool:
        """Whether `host` is ours, whatever the port: a tunnel or a proxy may have another.

        Args:
            host: The value of a `Host` header.
            local_address: The address of this machine's end of the connection.
        """
        parsed = _HOST.fullmatch(host)
        if parsed is None:
            return False
        bare = parsed["bracketed"] or parsed["plain"].lower().removesuffix(".")
        address = parse_address(bare)
        if address is None:
            return parsed["bracketed"] is None and (bare == "localhost" or bare in self.names)
        return address.is_loopback or address == parse_address(local_address) or str(address) in self.names


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is, an IPv4 address in the clothes of IPv6 as itself and without a zone; or None."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


async def resolve_allowed_hosts(listen: str, allowed: Iterable[str]) -> AllowedHosts:
    """The names of a listener.

    Args:
        listen: The host of `[http] listen`: only where it is more than loopback is this machine's own name one, too.
        allowed: Further hosts, in one spelling.
    """
    names = {listen.lower().removesuffix("."), *allowed}
    address = parse_address(listen)
    if listen != "localhost" and not (address and address.is_loopback):
        names |= await _find_machine_names()
    return AllowedHosts(frozenset(names))


async def _find_machine_names() -> set[str]:
    """Its name as it calls itself, with and without its domain, and as name resolution completes it."""
    name = socket.gethostname().lower()
    names = {name, name.partition(".")[0]}
    found = []
    # Name resolution that fails or hangs must not keep the listener from starting.
    with anyio.move_on_after(RESOLUTION_SECONDS), suppress(OSError, UnicodeError):
        found = await anyio.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    return names | {canonical.lower().removesuffix(".") for _, _, _, canonical, _ in found if canonical}
