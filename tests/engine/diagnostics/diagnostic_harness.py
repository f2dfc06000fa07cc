"""One simulated office and a doctor, on virtual time; however it ends, the doctor must have kept the key's pace."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from oddaemon.core.diagnostics.diagnosis import CheckName, CheckOutcome, CheckResult, Diagnosis, make_diagnosis_document
from oddaemon.engine.diagnostics.standalone import StandaloneDoctor
from oddaemon.settings import ApiSettings, OfficeSettings, Secret, Settings, StateSettings
from oddaemon.simulator.api.keys import ApiKey, Permission
from oddaemon.simulator.faults.faults import Fault, FaultSchedule, ScheduledFault
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.headquarters.traffic_log import find_violations
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from tests.engine.night import BEFORE_DAWN, SMALL, make_office_settings
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX, RequestRecorder, SentStatement

DEVELOPER_KEY = "planted-developer-key"
DEVELOPER_NAME = "oddaemon"


@dataclass
class DiagnosticHarness:
    """The office, the doctor, and what was heard between them."""

    headquarters: Headquarters
    clock: WorldClock
    settings: Settings
    statements: list[SentStatement] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)

    @property
    def practice(self) -> Practice:
        return self.headquarters.practices["smile"]

    def make_doctor(self) -> StandaloneDoctor:
        return StandaloneDoctor(self.settings, self.clock.now, self._make_transport)

    async def diagnose(self, office: OfficeSettings | None = None) -> Diagnosis:
        found = await self.make_doctor().diagnose(
            office or self.settings.offices["smile"], lambda *so_far: self.progress.append(so_far)
        )
        document = json.dumps(make_diagnosis_document(found))
        assert CUSTOMER_KEY_PREFIX not in document, "a key is shown"
        assert DEVELOPER_KEY not in document, "a key is shown"
        return found

    def _make_transport(self) -> RequestRecorder:
        return RequestRecorder(self.headquarters, self.statements)


@asynccontextmanager
async def diagnostic_harness(
    *faults: Fault | ScheduledFault,
    spec: PracticeSpec = SMALL,
    permission: Permission = Permission.QUERIES,
    options: HeadquartersOptions | None = None,
    base: datetime = BEFORE_DAWN,
    keys: Iterable[str] = (),
    **overrides: Any,
) -> AsyncIterator[DiagnosticHarness]:
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
        replace(options or HeadquartersOptions(), developer_key=DEVELOPER_KEY, developer_name=DEVELOPER_NAME),
        FaultSchedule(1, [each if isinstance(each, ScheduledFault) else ScheduledFault(each) for each in faults]),
    )
    for key in keys:
        practice.tables.insert_key(DEVELOPER_NAME, key)
    settings = Settings(
        Path("oddaemon.toml"),
        ApiSettings(developer_key=Secret(DEVELOPER_KEY), developer_name=DEVELOPER_NAME),
        StateSettings(),
        offices={"smile": make_office_settings("smile", **overrides)},
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(practice.run)
        place = DiagnosticHarness(headquarters, clock, settings)
        yield place
        assert find_violations(headquarters.traffic) == []
        assert headquarters.in_flight == 0
        assert asyncio.get_running_loop().time() < 600, "a doctor has no time"
        tasks.cancel_scope.cancel()


def find_check(diagnosis: Diagnosis, name: CheckName) -> CheckResult:
    return diagnosis.checks[name]


def get_outcome(diagnosis: Diagnosis, name: CheckName) -> CheckOutcome:
    return find_check(diagnosis, name).outcome


def list_failed_checks(diagnosis: Diagnosis) -> list[CheckName]:
    return list(diagnosis.failed_checks)
