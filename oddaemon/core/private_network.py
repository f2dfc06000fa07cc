"""Which addresses are near enough for what is sent to them to need no encryption."""

from ipaddress import ip_network

from oddaemon.core.client_network import parse_address

PRIVATE_NETWORKS = tuple(
    map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"))
)
"""This machine and private networks (RFC 1918, RFC 4193). Not included: the shared address space of providers
(100.64.0.0/10) and link-local addresses. Python's `is_private` includes more, and differs between versions."""


def is_private_host(host: str) -> bool:
    """Whether it is `localhost`, or an IP address of this machine or of a private network."""
    if host == "localhost":
        return True
    address = None if "%" in host else parse_address(host)
    return address is not None and any(address in network for network in PRIVATE_NETWORKS)
