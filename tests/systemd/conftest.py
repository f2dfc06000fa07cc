from typing import Any

import pytest

from oddaemon.simulator.virtual_time import make_virtual_loop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": make_virtual_loop}
