"""One simulated office and a doctor, on virtual time; however it ends, the doctor must have kept the key's pace."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from oddaemon.core.examination import Examination, Outcome, Step, StepName
from oddaemon.core.examination_document import examination_document
from oddaemon.engine.doctor_round import Doctor
from oddaemon.settings import Api, OfficeSettings, Secret, Settings, State
from oddaemon.simulator.clock import WorldClock
from oddaemon.simulator.faults import Fault, FaultBoard, Planted
from oddaemon.simulator.headquarters import Headquarters
from oddaemon.simulator.keys import ApiKey, Permission
from oddaemon.simulator.options import Options
from oddaemon.simulator.practice import Practice
from oddaemon.simulator.spec import PracticeSpec
from oddaemon.simulator.traffic import violations
from tests.engine.eavesdropper import CUSTOMER_KEY_PREFIX, Eavesdropper, Heard
from tests.engine.night import BEFORE_DAWN, SMALL, office_settings

DEVELOPER_KEY = "planted-developer-key"
DEVELOPER_NAME = "oddaemon"


@dataclass
class Ward:
    """The office, the doctor, and what was heard between them."""

    headquarters: Headquarters
    clock: WorldClock
    settings: Settings
    heard: list[Heard] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)

    @property
    def practice(self) -> Practice:
        return self.headquarters.practices["smile"]

    def doctor(self) -> Doctor:
        return Doctor(self.settings, self.clock.now, self._transport)

    async def examine(self, office: OfficeSettings | None = None) -> Examination:
        found = await self.doctor().examine(
            office or self.settings.offices[0], lambda *so_far: self.progress.append(so_far)
        )
        told = json.dumps(examination_document(found))
        assert CUSTOMER_KEY_PREFIX not in told, "a key is shown"
        assert DEVELOPER_KEY not in told, "a key is shown"
        return found

    def _transport(self) -> Eavesdropper:
        return Eavesdropper(self.headquarters, self.heard, Counter())


@asynccontextmanager
async def ward(
    *faults: Fault | Planted,
    spec: PracticeSpec = SMALL,
    permission: Permission = Permission.QUERIES,
    options: Options | None = None,
    base: datetime = BEFORE_DAWN,
    keys: Iterable[str] = (),
    **wishes: Any,
) -> AsyncIterator[Ward]:
    """An office that is healthy but for what is said here.

    Args:
        faults: Planted from the beginning.
        spec: The practice.
        permission: What the key may do.
        options: Of headquarters.
        base: The world's instant.
        keys: Further keys of ours that the office holds.
        wishes: Of the configuration.
    """
    clock = WorldClock(base)
    practice = Practice(spec, clock)
    headquarters = Headquarters(
        clock,
        [practice],
        [ApiKey(f"{CUSTOMER_KEY_PREFIX}smile", "smile", permission)],
        replace(options or Options(), developer_key=DEVELOPER_KEY, developer_name=DEVELOPER_NAME),
        FaultBoard(1, [each if isinstance(each, Planted) else Planted(each) for each in faults]),
    )
    for key in keys:
        practice.grant_key(DEVELOPER_NAME, key)
    settings = Settings(
        Path("oddaemon.toml"),
        Api(developer_key=Secret(DEVELOPER_KEY), developer_name=DEVELOPER_NAME),
        State(),
        offices=(office_settings("smile", **wishes),),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(practice.live)
        place = Ward(headquarters, clock, settings)
        yield place
        assert violations(headquarters.traffic) == []
        assert headquarters.in_flight == 0
        assert asyncio.get_running_loop().time() < 600, "a doctor has no time"
        tasks.cancel_scope.cancel()


def step(examination: Examination, name: StepName) -> Step:
    return next(each for each in examination.steps if each.name is name)


def outcome(examination: Examination, name: StepName) -> Outcome:
    return step(examination, name).outcome


def wrong(examination: Examination) -> list[StepName]:
    return [each.name for each in examination.wrong]
