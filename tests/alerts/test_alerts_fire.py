"""Each alert is fired by its own fault and by no other."""

from pathlib import Path
from typing import Any

import pytest

import tests.alerts.fleet_fault_scenarios
import tests.alerts.sink_fault_scenarios  # noqa: F401  each adds its scenarios
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.alerts.fault_scenarios import SCENARIOS, FaultScenario
from tests.alerts.promtool import load_alerts, needs_promtool

pytestmark = pytest.mark.real("needs promtool")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": make_virtual_loop}


@needs_promtool
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scene: scene.name)
async def test_a_fault_fires_its_own_alert_and_no_other(tmp_path: Path, scenario: FaultScenario) -> None:
    recording = await scenario.run(tmp_path)
    assert recording.find_fired_alerts(tmp_path) == scenario.alerts


def test_every_alert_has_a_fault_that_fires_it() -> None:
    fired = {f"Oddaemon{name}" for scenario in SCENARIOS for name in scenario.alerts.split()}
    assert fired | {"OddaemonWatchdog"} == load_alerts().keys()
