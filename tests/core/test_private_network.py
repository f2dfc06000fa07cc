import pytest

from oddaemon.core.private_network import is_private_host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.0.0.9", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_this_machine_and_private_addresses_are_private(host: str) -> None:
    assert is_private_host(host)


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "100.64.0.1", "169.254.169.254", "fe80::1%eth0", "::1%lo"])
def test_names_and_other_addresses_are_not(host: str) -> None:
    assert not is_private_host(host)
