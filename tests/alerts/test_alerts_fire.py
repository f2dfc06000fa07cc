"""Each alert is fired by its own fault and by no other."""

from pathlib import Path
from typing import Any

import pytest

from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.alerts.promtool import alerts, needs_promtool
from tests.alerts.scenes import SCENES, Scene

pytestmark = pytest.mark.real("needs promtool")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": make_virtual_loop}


@needs_promtool
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_fault_fires_its_own_alert_and_no_other(tmp_path: Path, scene: Scene) -> None:
    recording = await scene.play(tmp_path)
    assert recording.fired(tmp_path) == scene.fires


def test_every_alert_has_a_fault_that_fires_it() -> None:
    fired = {f"Oddaemon{name}" for scene in SCENES for name in scene.fires.split()}
    assert fired | {"OddaemonWatchdog"} == alerts().keys()
