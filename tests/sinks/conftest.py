from typing import Any

import pytest

from oddaemon.simulator.virtual_time import make_virtual_loop


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def virtual_time() -> tuple[str, dict[str, Any]]:
    """A backend on which a night takes no time; a module's `anyio_backend` may return it."""
    return "asyncio", {"loop_factory": make_virtual_loop}
