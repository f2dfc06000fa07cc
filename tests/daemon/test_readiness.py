"""What a daemon without its database says of itself."""

from datetime import UTC, datetime
from typing import Any

import anyio.lowlevel
import pytest

from oddaemon.core.secret import Secret
from oddaemon.daemon.lifecycle import ELSEWHERE, Lifecycle
from oddaemon.settings.tables.state import StateSettings
from oddaemon.store.errors import DatabaseUnusable


class _Settings:
    def __init__(self, url: str) -> None:
        self.state = StateSettings.model_construct(database_url=Secret(url))


@pytest.mark.parametrize(("url", "is_elsewhere"), [("postgresql://db/x", True), ("sqlite+aiosqlite:////x", False)])
async def test_only_a_host_of_a_fleet_says_that_others_work_for_its_offices(url: str, is_elsewhere: bool) -> None:
    await anyio.lowlevel.checkpoint()
    settings: Any = _Settings(url)
    lifecycle = Lifecycle(lambda: settings, lambda _: None, lambda: datetime(2026, 3, 2, tzinfo=UTC))
    lifecycle.health.report_failure(DatabaseUnusable("It is gone.", "Wait.", is_transient=True))
    readiness = lifecycle.readiness
    assert not readiness.ready
    assert readiness.reason.startswith("It is gone.")
    assert readiness.reason.endswith(ELSEWHERE) == is_elsewhere
