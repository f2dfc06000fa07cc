from typing import Any

import pytest

from oddaemon.simulator.virtual_time import virtual_loop_factory


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": virtual_loop_factory}
