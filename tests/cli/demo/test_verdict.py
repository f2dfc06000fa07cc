from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import anyio
import pytest

from oddaemon.cli.demo.scenario import ExpectedState, OfficeScenario
from oddaemon.cli.demo.simulator_client import Runs, SimulatorClient
from oddaemon.cli.demo.verdict import evaluate_office, find_status_problems
from oddaemon.core.model import (
    Balance,
    Condition,
    OfficeSpec,
    Owner,
    PublishedSnapshot,
    Reader,
    Snapshot,
    Status,
)
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.control_api import ControlApi
from oddaemon.simulator.transport.server import serve
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.golden import GoldenTexts
from tests.store.configured import register_offices
from tests.store.samples import get_latest_snapshot

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
TONIGHT = date(2026, 3, 8)
RUNS: Runs = {TONIGHT: NOW - timedelta(minutes=5)}
ELM = OfficeSpec("elm", "elm", ZoneInfo("America/Chicago"))
EMPTY = PublishedSnapshot(1, "elm", TONIGHT, NOW, NOW, Reader.STATEMENT, 1, compute_totals(()), 0, 0, 0)
FRESH = Status(Condition.FRESH, NOW, "Aging of 2026-03-08 is complete.")
BLOCKED = Status(Condition.BLOCKED, NOW, "The API does not accept the Key.", Owner.OFFICE)


def make_office(status: Status, snapshot: PublishedSnapshot | None = EMPTY) -> OfficeStatus:
    return OfficeStatus(ELM.id, ELM.name, status, snapshot=snapshot)


def make_scenario(**expected: object) -> OfficeScenario:
    return OfficeScenario("elm", "nothing", {}, expected=ExpectedState(**expected))  # type: ignore[arg-type]  # fields by name


DISABLED = make_scenario(
    condition=Condition.BLOCKED, reason_contains="key", owner=Owner.OFFICE, published=False, ages_tonight=False
)


def test_an_office_as_it_must_be_gives_no_complaint() -> None:
    assert find_status_problems(make_scenario(), make_office(FRESH), RUNS, NOW) == []
    assert find_status_problems(DISABLED, make_office(BLOCKED, None), {}, NOW) == []


@pytest.mark.parametrize(
    ("expected", "status", "snapshot", "runs", "complaint"),
    [
        (make_scenario(), BLOCKED, EMPTY, RUNS, "is blocked, should be fresh"),
        (make_scenario(), FRESH, None, RUNS, "has no snapshot"),
        (make_scenario(), FRESH, EMPTY, {}, "did not age tonight"),
        (
            make_scenario(),
            FRESH,
            replace(EMPTY, aging_date=date(2026, 3, 7)),
            RUNS,
            "its snapshot is of 2026-03-07, but aging ran for 2026-03-08",
        ),
        (DISABLED, replace(BLOCKED, reason="It is so."), None, {}, "its reason does not mention 'key'"),
        (DISABLED, replace(BLOCKED, owner=None), None, {}, "names no one to act, not office"),
        (DISABLED, BLOCKED, EMPTY, {}, "has a snapshot but should not"),
    ],
)
def test_deviations_from_the_scenario_are_reported(
    expected: OfficeScenario,
    status: Status,
    snapshot: PublishedSnapshot | None,
    runs: Runs,
    complaint: str,
) -> None:
    assert find_status_problems(expected, make_office(status, snapshot), runs, NOW) == [complaint]


@dataclass
class VerdictSetup:
    """A simulated office that knows the truth, and a database that claims to."""

    db: SqliteDatabase
    client: SimulatorClient
    practice: Practice

    @property
    def true_balances(self) -> tuple[Balance, ...]:
        return tuple(Balance(*row) for row in self.practice.balances.get_true_balances())

    async def publish(self, balances: tuple[Balance, ...], day: date = TONIGHT) -> None:
        snapshot = Snapshot(day, NOW, Reader.STATEMENT, 1, compute_totals(balances), balances)
        await snapshots.publish(self.db, "elm", snapshot, make_initial_state(NOW), NOW)

    async def find_complaints(self, runs: Runs = MappingProxyType({})) -> list[str]:
        found = await get_latest_snapshot(self.db, "elm")
        expected = make_scenario(ages_tonight=False)
        judged = await evaluate_office(
            expected, ELM, make_office(FRESH, found), runs, NOW, db=self.db, simulator=self.client
        )
        return list(judged.problems)


@pytest.fixture
async def verdict_setup(tmp_path: Path) -> AsyncIterator[VerdictSetup]:
    clock = WorldClock(NOW)
    practice = Practice(PracticeSpec("elm", seed=7, guarantors=40), clock)
    site = ControlApi(Headquarters(clock, [practice], [ApiKey("k", "elm")]))
    async with SqliteDatabase.open(str(tmp_path / "state.db")) as db, anyio.create_task_group() as tasks:
        await register_offices(db, [ELM])
        port = await tasks.start(serve, site)
        yield VerdictSetup(db, SimulatorClient(f"127.0.0.1:{port}"), practice)
        tasks.cancel_scope.cancel()


async def test_a_true_snapshot_is_believed(verdict_setup: VerdictSetup) -> None:
    await verdict_setup.publish(verdict_setup.true_balances)

    assert await verdict_setup.find_complaints() == []


async def test_one_cent_is_noticed(verdict_setup: VerdictSetup, golden: GoldenTexts) -> None:
    first, *others = verdict_setup.true_balances
    await verdict_setup.publish((first._replace(bal_total=first.bal_total + 1), *others))

    golden.check(await verdict_setup.find_complaints())


async def test_a_missing_guarantor_is_noticed(verdict_setup: VerdictSetup, golden: GoldenTexts) -> None:
    await verdict_setup.publish(verdict_setup.true_balances[1:])

    golden.check(await verdict_setup.find_complaints())


async def test_an_older_snapshot_is_judged_too(verdict_setup: VerdictSetup, golden: GoldenTexts) -> None:
    await verdict_setup.publish(verdict_setup.true_balances[1:], TONIGHT - timedelta(days=1))
    await verdict_setup.publish(verdict_setup.true_balances)

    golden.check(await verdict_setup.find_complaints())


async def test_balances_from_before_the_run_do_not_pass_for_tonight_s(verdict_setup: VerdictSetup) -> None:
    before = verdict_setup.true_balances
    verdict_setup.practice.post_activity(families=5)
    await verdict_setup.publish(before)

    assert await verdict_setup.find_complaints() == []
    assert len(await verdict_setup.find_complaints({TONIGHT: NOW + timedelta(hours=1)})) == 1


async def test_one_aging_published_twice_is_noticed(verdict_setup: VerdictSetup, golden: GoldenTexts) -> None:
    await verdict_setup.publish(verdict_setup.true_balances)
    await verdict_setup.publish(verdict_setup.true_balances)

    golden.check(await verdict_setup.find_complaints())
