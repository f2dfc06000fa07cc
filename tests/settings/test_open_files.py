"""The limit of open files against what the configuration may need."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from oddaemon.settings import try_load


@pytest.fixture
def few_files() -> Iterator[int]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    yield 1024
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(("in_flight", "warned"), [(64, False), (4096, True)])
def test_more_requests_in_flight_than_open_files_are_warned_of(
    tmp_path: Path, few_files: int, in_flight: int, *, warned: bool
) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text(f'[api]\ndeveloper_key = "k"\nmax_in_flight = {in_flight}\n')
    warnings = [str(each) for each in try_load(config).warnings if "max_in_flight" in str(each)]
    assert bool(warnings) is warned
    assert all(str(few_files) in each and "LimitNOFILE" in each for each in warnings)
