"""Where keys may travel, and in what: https anywhere, plain http only to this machine and private addresses."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from oddaemon.core.client_network import parse_address
from oddaemon.settings import try_load
from oddaemon.settings.values.url import normalize_base_url
from tests.golden import GoldenTexts

PRIVATE_HOSTS = [
    "127.0.0.1",
    "127.255.255.254:30222",
    "localhost",
    "LocalHost:30222",
    "localhost.",
    "10.0.0.9",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.255.255",
    "[::1]",
    "[0:0:0:0:0:0:0:1]:30222",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
]
OTHER_HOSTS = {
    "public": ["8.8.8.8", "[2001:4860:4860::8888]", "172.32.0.1", "172.15.255.255", "192.169.0.1", "11.0.0.0"],
    "public in the clothes of another": ["[::ffff:8.8.8.8]", "[::ffff:808:808]", "[2002:808:808::]", "[::8.8.8.8]"],
    "tunnels and translators": ["[2001::1]", "[64:ff9b::a00:1]"],
    "shared by customers of a provider": ["100.64.0.1", "100.127.255.254"],
    "link-local, so a cloud's metadata": ["169.254.169.254", "[fe80::1]", "[fec0::1]"],
    "no one place": ["0.0.0.0", "[::]", "255.255.255.255", "224.0.0.1", "[ff02::1]", "192.0.2.1", "198.18.0.1"],
    "names": [
        "example.com",
        "server",
        "server.local",
        "printer.lan",
        "foo.localhost",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1.nip.io",
    ],
}
NO_HOST = [
    *(
        "2130706433",
        "134744072",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "server.0x7f",
        "256.1.1.1",
    ),
    *("[fe80::1%25eth0]", "[fe80::1%eth0]", "127.0.0.1\\.example.com"),
    *("127.0.0.1%2eexample.com", "127.0.0.1,8.8.8.8", "127.0.0.1;x", "-", "a..b", "local_host", "."),
]
BEHIND_BRACKETS = ["[::1]example.com", "[::1].example.com"]
CREDENTIALS = ["127.0.0.1@8.8.8.8", "localhost:80@example.com", "8.8.8.8\\@127.0.0.1", "@127.0.0.1", ":@127.0.0.1"]
NO_URL = ["127.0.0.1:80:80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+80", "[127.0.0.1", "[::1"]


def get_error_message(url: str) -> str:
    with pytest.raises(PydanticCustomError) as refused:
        normalize_base_url(url)
    assert refused.value.context is not None
    return str(refused.value.context["message"])


@pytest.mark.parametrize("place", PRIVATE_HOSTS)
def test_http_goes_to_this_machine_and_to_private_addresses(place: str) -> None:
    checked = normalize_base_url(f"http://{place}/api/v1")
    assert checked == f"http://{place.lower().removesuffix('.')}/api/v1"


@pytest.mark.parametrize("place", [place for places in OTHER_HOSTS.values() for place in places])
def test_http_goes_nowhere_else_and_to_no_name_but_localhost(place: str) -> None:
    assert "unencrypted" in get_error_message(f"http://{place}/api/v1")
    assert normalize_base_url(f"https://{place}/api/v1") == f"https://{place}/api/v1"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("place", NO_HOST)
def test_what_systems_take_for_addresses_in_ways_of_their_own_is_no_host(place: str, scheme: str) -> None:
    assert get_error_message(f"{scheme}://{place}/api/v1").endswith("valid host")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("place", BEHIND_BRACKETS)
def test_nothing_may_follow_an_address_in_brackets(place: str, scheme: str) -> None:
    # Which of the two depends on the version of Python: some refuse to split such a URL.
    assert get_error_message(f"{scheme}://{place}/api/v1").endswith(("valid host", "valid URL"))


@pytest.mark.parametrize("place", CREDENTIALS)
def test_what_stands_before_the_host_is_refused_whatever_it_looks_like(place: str) -> None:
    assert get_error_message(f"http://{place}/api/v1") == "contains credentials"


@pytest.mark.parametrize("place", NO_URL)
def test_what_has_no_port_or_no_end_is_no_url(place: str) -> None:
    assert get_error_message(f"http://{place}/api/v1").endswith("valid URL")


def test_a_name_over_http_says_what_to_write_instead(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text('[api]\ndeveloper_key_env = "D"\nbase_url = "http://server:30223/api/v1"\n')
    (problem,) = try_load(path, {"D": "Qm7xT2kLp9RvWc4Z"}).problems
    golden.check(str(problem).removeprefix(f"{path}:3: "))


def test_verification_has_no_setting(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    for name in ("verify", "tls_verify", "insecure", "ca_file", "ssl", "skip_verify"):
        path.write_text(f'[api]\ndeveloper_key_env = "D"\n{name} = false\n')
        loaded = try_load(path, {"D": "Qm7xT2kLp9RvWc4Z"})
        assert loaded.settings is None
        assert [problem.message for problem in loaded.problems] == ["unknown key"]


PIECES = [
    "127.0.0.1",
    "8.8.8.8",
    "::1",
    "localhost",
    "example.com",
    "[",
    "]",
    "@",
    ":",
    "/",
    "\\",
    ".",
    "%",
    "?",
    "#",
    "80",
]


@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), st.sampled_from(["http", "HTTP", "https"]))
def test_where_the_client_goes_is_where_it_was_checked_to_go(place: str, scheme: str) -> None:
    try:
        checked = normalize_base_url(f"{scheme}://{place}")
    except PydanticCustomError:
        return
    url = httpx.URL(checked)
    assert url.userinfo == b""
    assert url.scheme == scheme.lower()
    assert url.scheme == "https" or url.host in {"127.0.0.1", "::1", "localhost"}


addresses = st.ip_addresses() | st.integers(0, 2**32 - 1).map(lambda bits: IPv6Address((0xFFFF << 32) | bits))


@given(addresses)
def test_any_address_over_http_is_loopback_or_private(address: IPv4Address | IPv6Address) -> None:
    text = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    try:
        normalize_base_url(f"http://{text}/api/v1")
    except PydanticCustomError:
        return
    meant = parse_address(str(address))
    assert meant is not None
    assert meant.is_private
    assert not meant.is_link_local
    assert not meant.is_unspecified
