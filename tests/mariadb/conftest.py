from collections.abc import Iterator

import pytest

from tests.mariadb.server import MariaDbNotInstalled, MariaDbServer


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDbServer]:
    """One server for all tests of a process."""
    try:
        server = MariaDbServer(tmp_path_factory.mktemp("mariadb"))
    except MariaDbNotInstalled as missing:
        pytest.skip(str(missing))
    yield server
    server.stop()
