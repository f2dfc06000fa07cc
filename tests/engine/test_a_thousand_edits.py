"""A thousand random edits of the configuration while offices are pulled: what runs is always what is wanted.

Each edit is one that somebody could make, or half of one: files appear, vanish, move, break and are mended. After each,
all that is read and applied is held against what was meant, and no office that was not meant notices anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from oddaemon.core.config_diff import ConfigDiff, needs_restart
from oddaemon.core.model import Condition
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.engine.offices.registry import make_worker_configs
from oddaemon.settings import BadConfiguration, Settings
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.telemetry.events.base import Level
from tests.engine.config_files import ConfigFiles, config_files, put
from tests.engine.eavesdropper import CUSTOMER_KEY_PREFIX
from tests.engine.night import night
from tests.engine.world import World

pytestmark = pytest.mark.slow("a thousand reloads")

EDITS = 1000
NAMES = ("ash", "bay", "elm", "fir", "hay", "ivy", "oak", "yew")
SPECS = [PracticeSpec(name, seed=seed, guarantors=350, settled=10) for seed, name in enumerate(NAMES)]
SLOW = HeadquartersOptions(base_seconds=2)
"""A pull in pages takes a quarter of a minute, an edit comes every few seconds."""
GARBAGE = ("[[office]\n", 'id = "elm"\n', "[[office]]\n", '[[office]]\nid = "x"\ncolour = 1\n', "\x00", "[api]\n")

Edit = Callable[["Desktop", Random], None]


@dataclass
class Desktop:
    """The files as they lie there, and which of them are broken."""

    files: ConfigFiles
    broken: dict[str, str] = field(default_factory=dict)

    def save(self) -> None:
        """Every file is written, some of them wrongly."""
        for path in self.files.directory.glob("broken-*.toml"):
            path.unlink()
        self.files.put_all()
        for name, text in self.broken.items():
            put(self.files.directory / name, text)

    def some(self, dice: Random) -> dict[str, Any]:
        """The settings of an office, or of a new one."""
        if not self.files.offices:
            appears(self, dice)
        return self.files.offices[dice.choice(sorted(self.files.offices))]


def appears(desk: Desktop, dice: Random) -> None:
    missing = sorted(set(NAMES) - set(desk.files.offices))
    if missing:
        desk.files.add(dice.choice(missing), reader=dice.choice(("pages", "pages", "auto")))


def vanishes(desk: Desktop, dice: Random) -> None:
    if len(desk.files.offices) > 3:
        desk.files.remove(desk.some(dice)["id"])


def is_read_otherwise(desk: Desktop, dice: Random) -> None:
    desk.some(dice)["include"] = dice.choice(("all", "debts"))


def has_other_clinics(desk: Desktop, dice: Random) -> None:
    desk.some(dice)["clinics"] = dice.choice(([], [0], [0, 1], [1]))


def is_awaited_earlier(desk: Desktop, dice: Random) -> None:
    desk.some(dice)["fresh_by"] = dice.choice(("06:00", "07:00", ""))


def is_switched(desk: Desktop, dice: Random) -> None:
    desk.some(dice)["enabled"] = dice.random() < 0.8


def has_another_key(desk: Desktop, dice: Random) -> None:
    office = desk.some(dice)
    right = CUSTOMER_KEY_PREFIX + office["id"]
    office["customer_key"] = right if dice.random() < 0.7 else f"planted-wrong-{office['id']}"


def is_renamed(desk: Desktop, dice: Random) -> None:
    desk.some(dice)["name"] = f"Practice {dice.randint(1, 9)}"


def is_labelled(desk: Desktop, dice: Random) -> None:
    desk.some(dice)["labels"] = {"group": dice.choice(("coast", "hills"))}


def moves_to_another_file(desk: Desktop, dice: Random) -> None:
    desk.files.file_of[desk.some(dice)["id"]] = dice.choice(("one.toml", "two.toml", f"{dice.randint(1, 99)}.toml"))


def breaks(desk: Desktop, dice: Random) -> None:
    names = [f"broken-{dice.randint(1, 9)}.toml", *desk.files.texts()]
    desk.broken[dice.choice(names)] = dice.choice(GARBAGE)


def is_mended(desk: Desktop, dice: Random) -> None:
    del dice
    desk.broken.clear()


def stays(desk: Desktop, dice: Random) -> None:
    del desk, dice


EDITS_BY_WEIGHT: dict[Edit, int] = {
    appears: 6,
    vanishes: 4,
    is_read_otherwise: 8,
    has_other_clinics: 8,
    is_awaited_earlier: 3,
    is_switched: 3,
    has_another_key: 3,
    is_renamed: 4,
    is_labelled: 4,
    moves_to_another_file: 6,
    breaks: 4,
    is_mended: 8,
    stays: 2,
}


@dataclass
class Watcher:
    """What each office has suffered so far."""

    world: World

    def suffered(self, office: str) -> tuple[int, int, int]:
        cut = sum(1 for each in self.world.events("request_finished", office) if each["outcome"] == "cancelled")
        return cut, len(self.world.events("office_started", office)), len(self.world.events("office_stopped", office))

    def in_flight(self, office: str) -> bool:
        started, finished = (len(self.world.events(f"request_{what}", office)) for what in ("started", "finished"))
        return started > finished


@pytest.mark.parametrize("seed", [1])
async def test_no_unchanged_office_sees_a_cancelled_request(tmp_path: Path, seed: int) -> None:
    dice, desk = Random(seed), Desktop(config_files(tmp_path, *NAMES[:6]))
    for office in desk.files.offices.values():
        office["reader"] = "pages"
    async with night(tmp_path, SPECS, settings=desk.files.write(), options=SLOW) as world:
        assert world.level is Level.DEBUG
        watcher, disturbed_nobody, refused, in_force = Watcher(world), 0, 0, world.settings
        for number in range(EDITS):
            await anyio.sleep(dice.uniform(0, 5))
            (edit,) = dice.choices(list(EDITS_BY_WEIGHT), list(EDITS_BY_WEIGHT.values()))
            edit(desk, dice)
            desk.save()
            before = {name: watcher.suffered(name) for name in NAMES}
            busy = {name for name in NAMES if watcher.in_flight(name)}
            plan = await reloaded(world, dice.choice(list(ReloadTrigger)), is_good=not desk.broken)
            if plan is None:
                refused += 1
                touched = set[str]()
            else:
                in_force = desk.files.read()
                world.want(in_force)
                touched = {*plan.new, *plan.removed, *(each.office for each in plan.changed if each.restarts_worker)}
                assert_meant(plan, in_force)
            for name in set(NAMES) - touched:
                assert watcher.suffered(name) == before[name], (number, edit.__name__, name)
            disturbed_nobody += bool(busy - touched)
            assert_runs(world, in_force)
            if number % 100 == 0:
                assert await desk.files.wanted() == {each.office.id for each in in_force.offices}
        assert refused > 100
        assert disturbed_nobody > 500
        await settle(world, desk)


async def reloaded(world: World, cause: ReloadTrigger, *, is_good: bool) -> ConfigDiff | None:
    """What was applied; None: it was refused, as it had to be."""
    try:
        plan, _ = await world.daemon.reload(cause)
    except BadConfiguration:
        assert not is_good
        return None
    assert is_good
    return plan


def assert_meant(plan: ConfigDiff, in_force: Settings) -> None:
    """No office is in two parts of the plan, and none is told to have changed in what it does not show."""
    ids = {each.office.id for each in in_force.offices}
    assert ids.issuperset(plan.new)
    assert ids.isdisjoint(plan.removed)
    assert len(ids) == len(plan.new) + len(plan.changed) + plan.unchanged
    assert all(each.settings for each in plan.changed)


def assert_runs(world: World, in_force: Settings) -> None:
    """Exactly what is in force has a worker, with the settings of now."""
    wanted = make_worker_configs(in_force)
    running = {key: task.settings for key, task in world.crew.supervisor._running.items()}
    assert running.keys() == wanted.keys()
    assert not any(needs_restart(running[key], wanted[key]) for key in wanted)
    shown = {view.office for view in world.daemon.fleet.offices.values()}
    assert shown == {each.office for each in in_force.offices}


async def settle(world: World, desk: Desktop) -> None:
    """When nobody edits any more, every office becomes fresh and what is published is true."""
    desk.broken.clear()
    for office in desk.files.offices.values():
        office |= {"enabled": True, "customer_key": CUSTOMER_KEY_PREFIX + office["id"]}
    desk.save()
    world.want(desk.files.read())
    await world.daemon.reload(ReloadTrigger.FILES)
    for name in desk.files.offices:
        await world.until_is(Condition.FRESH, name, within=timedelta(hours=2))
        assert await world.is_true(name)
