"""What an operator must find in the shipped documents and units, whatever their sentences are."""

from pathlib import Path

import pytest

from oddaemon.settings.values.url import normalize_base_url

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "needed",
    [
        "https://api.opendental.com/api/v1",
        "http://localhost:30222/api/v1",
        "http://HOST:30223/api/v1",
        "curl 'https://api.opendental.com/api/v1/preferences?PrefName=DateLastAging'",
        "Query Example 1655",
        "developer portal",
    ],
)
def test_the_way_to_the_api_is_described(needed: str) -> None:
    assert needed in README


def test_each_base_url_of_the_readme_is_accepted() -> None:
    for url in ("https://api.opendental.com/api/v1", "http://localhost:30222/api/v1", "http://10.0.0.7:30223/api/v1"):
        assert normalize_base_url(url) == url


def test_the_unit_bounds_the_memory_of_the_daemon() -> None:
    unit = (CHECKOUT / "systemd" / "oddaemon.service").read_text(encoding="utf-8")
    (value,) = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("MemoryMax=")]
    assert value.endswith(("M", "G"))
