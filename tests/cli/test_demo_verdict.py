from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import pytest

from oddaemon.cli.demo.character import Character, Expectation
from oddaemon.cli.demo.desk import AgingRun, Desk
from oddaemon.cli.demo.verdict import standing_complaints, verdict
from oddaemon.cli.fleet import Known
from oddaemon.core.model import Balance, Condition, Office, Owner, Reader, Snapshot, Standing
from oddaemon.core.office import new_state
from oddaemon.core.state import OfficeState
from oddaemon.core.verify import totals_of
from oddaemon.settings import OfficeSettings, Secret
from oddaemon.simulator.clock import WorldClock
from oddaemon.simulator.control import ControlDesk
from oddaemon.simulator.headquarters import Headquarters
from oddaemon.simulator.keys import ApiKey
from oddaemon.simulator.practice import Practice, PracticeSpec
from oddaemon.simulator.server import serve
from oddaemon.store import offices, snapshots
from oddaemon.store.database import Database
from oddaemon.store.snapshot_row import SnapshotRow

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
TONIGHT = date(2026, 3, 8)
RUN = AgingRun(TONIGHT, NOW - timedelta(minutes=5))
ELM = Office("elm", "elm", ZoneInfo("America/Chicago"))
ELM_SETTINGS = OfficeSettings(ELM, Secret("k"), "http://localhost/api/v1", 0.0, True, Path("elm.toml"))
EMPTY = SnapshotRow(1, "elm", TONIGHT, NOW, NOW, Reader.STATEMENT, 1, totals_of(()), 0, 0, 0)
FRESH = Standing(Condition.FRESH, NOW, "Aging of 2026-03-08 is complete.")
BLOCKED = Standing(Condition.BLOCKED, NOW, "The API does not accept the Key.", Owner.OFFICE)


def known(standing: Standing, snapshot: SnapshotRow | None = EMPTY) -> Known:
    state: OfficeState = replace(new_state(NOW), standing=standing)
    return Known("elm", "elm", ELM_SETTINGS, state, snapshot)


def character(**expected: object) -> Character:
    return Character("elm", "nothing", {}, expected=Expectation(**expected))  # type: ignore[arg-type]  # fields by name


DISABLED = character(condition=Condition.BLOCKED, because="key", owner=Owner.OFFICE, published=False, tonight=False)


def test_an_office_as_it_must_be_gives_no_complaint() -> None:
    assert standing_complaints(character(), known(FRESH), [RUN], NOW) == []
    assert standing_complaints(DISABLED, known(BLOCKED, None), [], NOW) == []


@pytest.mark.parametrize(
    ("expected", "standing", "snapshot", "runs", "complaint"),
    [
        (character(), BLOCKED, EMPTY, [RUN], "is blocked, should be fresh"),
        (character(), FRESH, None, [RUN], "has no snapshot"),
        (character(), FRESH, EMPTY, [], "did not age tonight"),
        (
            character(),
            FRESH,
            replace(EMPTY, aging_date=date(2026, 3, 7)),
            [RUN],
            "its snapshot is of 2026-03-07, aging ran for 2026-03-08",
        ),
        (DISABLED, replace(BLOCKED, reason="It is so."), None, [], "its reason does not say 'key'"),
        (DISABLED, replace(BLOCKED, owner=None), None, [], "names nobody to act, not office"),
        (DISABLED, BLOCKED, EMPTY, [], "has a snapshot that it cannot have"),
    ],
)
def test_what_is_not_as_planted_is_complained_about(
    expected: Character, standing: Standing, snapshot: SnapshotRow | None, runs: list[AgingRun], complaint: str
) -> None:
    assert standing_complaints(expected, known(standing, snapshot), runs, NOW) == [complaint]


@dataclass
class Court:
    """A simulated office that knows the truth, and a database that claims to."""

    db: Database
    desk: Desk
    practice: Practice

    @property
    def truth(self) -> tuple[Balance, ...]:
        return tuple(Balance(*row) for row in self.practice.truth())

    async def publish(self, balances: tuple[Balance, ...], day: date = TONIGHT) -> None:
        snapshot = Snapshot(day, NOW, Reader.STATEMENT, 1, totals_of(balances), balances)
        await snapshots.publish(self.db, "elm", snapshot, new_state(NOW), NOW)

    async def complaints(self, runs: tuple[AgingRun, ...] = ()) -> list[str]:
        found = await snapshots.latest(self.db, "elm")
        expected = character(tonight=False)
        judged = await verdict(expected, known(FRESH, found), runs, NOW, db=self.db, desk=self.desk)
        return list(judged.complaints)


@pytest.fixture
async def court(tmp_path: Path) -> AsyncIterator[Court]:
    clock = WorldClock(NOW)
    practice = Practice(PracticeSpec("elm", seed=7, guarantors=40), clock)
    site = ControlDesk(Headquarters(clock, [practice], [ApiKey("k", "elm")]))
    async with Database.open(str(tmp_path / "state.db")) as db, anyio.create_task_group() as tasks:
        await offices.enroll(db, [ELM])
        port = await tasks.start(serve, site)
        yield Court(db, Desk(f"127.0.0.1:{port}"), practice)
        tasks.cancel_scope.cancel()


async def test_a_true_snapshot_is_believed(court: Court) -> None:
    await court.publish(court.truth)

    assert await court.complaints() == []


async def test_one_cent_is_noticed(court: Court) -> None:
    first, *others = court.truth
    await court.publish((first._replace(bal_total=first.bal_total + 1), *others))

    assert await court.complaints() == ["snapshot 1 is not true: 1 rows differ from the office's table"]


async def test_a_missing_guarantor_is_noticed(court: Court) -> None:
    await court.publish(court.truth[1:])

    assert await court.complaints() == ["snapshot 1 is not true: 1 rows differ from the office's table"]


async def test_an_older_snapshot_is_judged_too(court: Court) -> None:
    await court.publish(court.truth[1:], TONIGHT - timedelta(days=1))
    await court.publish(court.truth)

    assert await court.complaints() == ["snapshot 1 is not true: 1 rows differ from the office's table"]


async def test_balances_from_before_the_run_do_not_pass_for_tonight_s(court: Court) -> None:
    before = court.truth
    court.practice.post_activity(families=5)
    await court.publish(before)

    assert await court.complaints() == []
    assert len(await court.complaints((AgingRun(TONIGHT, NOW + timedelta(hours=1)),))) == 1


async def test_one_aging_published_twice_is_noticed(court: Court) -> None:
    await court.publish(court.truth)
    await court.publish(court.truth)

    assert await court.complaints() == ["published one aging twice"]
