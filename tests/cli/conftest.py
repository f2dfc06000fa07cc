import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.sample_fleet import SampleFleet, make_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> SampleFleet:
    return make_fleet(tmp_path)


@pytest.fixture
def in_new_york() -> Iterator[None]:
    """The reader's own clock, wherever the test runs."""
    previous = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    if previous is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = previous
    time.tzset()
