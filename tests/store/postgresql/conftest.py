from collections.abc import Iterator

import pytest

from tests.postgres_server import PostgresServer, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server with a port, for databases and roles of a test's own."""
    with running_server(has_port=True, settings={"max_connections": "60"}) as server:
        yield server
