"""Who counts as one client."""

import pytest

from oddaemon.core.client_network import find_client_network


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::1%eth0", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::7", "2001:db8:0:2::/64"),
        ("uid", "uid"),
    ],
)
def test_a_customer_with_a_whole_network_is_one_client(host: str, network: str) -> None:
    assert find_client_network(host) == network
