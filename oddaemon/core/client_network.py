"""Who counts as one client: limits that are shared fairly need an answer that a client cannot multiply at will."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

IPV6_PREFIX_LENGTH = 64
"""The smallest network that a provider assigns: one customer has all of its addresses."""


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Parse an address, without its zone and with an IPv4-mapped address as IPv4; None: `host` is no address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def find_client_network(host: str) -> str:
    """The network that counts as one client: an IPv4 address, the /64 of an IPv6 address, or `host` as it is."""
    address = parse_address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, IPV6_PREFIX_LENGTH), strict=False))
    return host if address is None else str(address)
