"""A thousand random edits of the configuration while offices are pulled: what runs is always what is wanted.

Each edit is one that an operator could make, or half of one: files appear, vanish, move, break and are fixed. After
each, all that is read and applied is compared with what was meant, and no other office notices anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from oddaemon.core.config_diff import ConfigDiff, diff_configs
from oddaemon.core.model import Condition
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.settings import BadConfiguration, Settings
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.telemetry.events.base import Level
from tests.engine.config_files import ConfigFiles, make_config_files, write_private
from tests.engine.night import night
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.engine.world import World

pytestmark = pytest.mark.slow("a thousand reloads")

EDITS = 1000
NAMES = ("ash", "bay", "elm", "fir", "hay", "ivy", "oak", "yew")
SPECS = [PracticeSpec(name, seed=seed, guarantors=350, settled=10) for seed, name in enumerate(NAMES)]
SLOW = HeadquartersOptions(base_seconds=2)
"""A pull in pages takes a quarter of a minute, an edit comes every few seconds."""
GARBAGE = ("[[office]\n", 'id = "elm"\n', "[[office]]\n", '[[office]]\nid = "x"\ncolour = 1\n', "\x00", "[api]\n")

Edit = Callable[["EditedConfig", Random], None]


@dataclass
class EditedConfig:
    """The files as they lie there, and which of them are broken."""

    files: ConfigFiles
    broken: dict[str, str] = field(default_factory=dict)

    def write_files(self) -> None:
        """Every file is written, some of them wrongly."""
        for path in self.files.directory.glob("broken-*.toml"):
            path.unlink()
        self.files.write_files()
        for name, text in self.broken.items():
            write_private(self.files.directory / name, text)

    def pick_office(self, rng: Random) -> dict[str, Any]:
        """The settings of an office, or of a new one."""
        if not self.files.offices:
            add_office(self, rng)
        return self.files.offices[rng.choice(sorted(self.files.offices))]


def add_office(config: EditedConfig, rng: Random) -> None:
    missing = sorted(set(NAMES) - set(config.files.offices))
    if missing:
        config.files.add(rng.choice(missing), reader=rng.choice(("pages", "pages", "auto")))


def remove_office(config: EditedConfig, rng: Random) -> None:
    if len(config.files.offices) > 3:
        config.files.remove(config.pick_office(rng)["id"])


def change_include(config: EditedConfig, rng: Random) -> None:
    config.pick_office(rng)["include"] = rng.choice(("all", "debts"))


def change_clinics(config: EditedConfig, rng: Random) -> None:
    config.pick_office(rng)["clinics"] = rng.choice(([], [0], [0, 1], [1]))


def change_deadline(config: EditedConfig, rng: Random) -> None:
    config.pick_office(rng)["fresh_by"] = rng.choice(("06:00", "07:00", ""))


def toggle_enabled(config: EditedConfig, rng: Random) -> None:
    config.pick_office(rng)["enabled"] = rng.random() < 0.8


def change_key(config: EditedConfig, rng: Random) -> None:
    office = config.pick_office(rng)
    right = CUSTOMER_KEY_PREFIX + office["id"]
    office["customer_key"] = right if rng.random() < 0.7 else f"planted-wrong-{office['id']}"


def change_name(config: EditedConfig, rng: Random) -> None:
    config.pick_office(rng)["name"] = f"Practice {rng.randint(1, 9)}"


def change_labels(config: EditedConfig, rng: Random) -> None:
    config.pick_office(rng)["labels"] = {"group": rng.choice(("coast", "hills"))}


def move_to_another_file(config: EditedConfig, rng: Random) -> None:
    config.files.file_by_office[config.pick_office(rng)["id"]] = rng.choice(
        ("one.toml", "two.toml", f"{rng.randint(1, 99)}.toml")
    )


def break_file(config: EditedConfig, rng: Random) -> None:
    names = [f"broken-{rng.randint(1, 9)}.toml", *config.files.render_files()]
    config.broken[rng.choice(names)] = rng.choice(GARBAGE)


def repair_files(config: EditedConfig, rng: Random) -> None:
    del rng
    config.broken.clear()


def change_nothing(config: EditedConfig, rng: Random) -> None:
    del config, rng


EDITS_BY_WEIGHT: dict[Edit, int] = {
    add_office: 6,
    remove_office: 4,
    change_include: 8,
    change_clinics: 8,
    change_deadline: 3,
    toggle_enabled: 3,
    change_key: 3,
    change_name: 4,
    change_labels: 4,
    move_to_another_file: 6,
    break_file: 4,
    repair_files: 8,
    change_nothing: 2,
}


@dataclass
class DisturbanceMonitor:
    """What each office has suffered so far."""

    world: World

    def count_disturbances(self, office: str) -> tuple[int, int, int]:
        cut = sum(1 for each in self.world.find_events("request_finished", office) if each["outcome"] == "cancelled")
        return (
            cut,
            len(self.world.find_events("office_started", office)),
            len(self.world.find_events("office_stopped", office)),
        )

    def has_request_in_flight(self, office: str) -> bool:
        started, finished = (len(self.world.find_events(f"request_{what}", office)) for what in ("started", "finished"))
        return started > finished


@pytest.mark.parametrize("seed", [1])
async def test_no_unchanged_office_sees_a_cancelled_request(tmp_path: Path, seed: int) -> None:
    rng, config = Random(seed), EditedConfig(make_config_files(tmp_path, *NAMES[:6]))
    for office in config.files.offices.values():
        office["reader"] = "pages"
    async with night(tmp_path, SPECS, settings=config.files.write_and_load(), options=SLOW) as world:
        assert world.level is Level.DEBUG
        watcher, disturbed_none, refused, in_force = DisturbanceMonitor(world), 0, 0, world.settings
        for number in range(EDITS):
            await anyio.sleep(rng.uniform(0, 5))
            (edit,) = rng.choices(list(EDITS_BY_WEIGHT), list(EDITS_BY_WEIGHT.values()))
            edit(config, rng)
            config.write_files()
            before = {name: watcher.count_disturbances(name) for name in NAMES}
            busy = {name for name in NAMES if watcher.has_request_in_flight(name)}
            plan = await reload_config(world, rng.choice(list(ReloadTrigger)), is_good=not config.broken)
            if plan is None:
                refused += 1
                touched = set[str]()
            else:
                in_force = config.files.load_settings()
                world.set_wanted(in_force)
                touched = {*plan.new, *plan.removed, *(each.office for each in plan.changed if each.restarts_worker)}
                assert_plan_consistent(plan, in_force)
            for name in set(NAMES) - touched:
                assert watcher.count_disturbances(name) == before[name], (number, edit.__name__, name)
            disturbed_none += bool(busy - touched)
            await anyio.lowlevel.checkpoint()  # a new office's task begins with the next turn of the loop
            assert_workers_match(world, in_force)
            if number % 100 == 0:
                assert await config.files.read_wanted_ids() == {each.spec.id for each in in_force.offices.values()}
        assert refused > 100
        assert disturbed_none > 500
        await assert_all_become_fresh(world, config)


async def reload_config(world: World, cause: ReloadTrigger, *, is_good: bool) -> ConfigDiff | None:
    """What was applied; None: it was refused, as it had to be."""
    try:
        plan, _ = await world.daemon.reload(cause)
    except BadConfiguration:
        assert not is_good
        return None
    assert is_good
    return plan


def assert_plan_consistent(plan: ConfigDiff, settings: Settings) -> None:
    """No office is in two parts of the plan, and none is reported as changed without a change that is shown."""
    ids = {each.spec.id for each in settings.offices.values()}
    assert ids.issuperset(plan.new)
    assert ids.isdisjoint(plan.removed)
    assert len(ids) == len(plan.new) + len(plan.changed) + plan.unchanged
    assert all(each.settings for each in plan.changed)


def assert_workers_match(world: World, settings: Settings) -> None:
    """Exactly what is in force has a worker, with the settings of now."""
    wanted, registry = settings.offices, world.services.registry
    assert set(registry._supervisor.keys) == wanted.keys()
    running = {
        key: replace(wanted[key], spec=worker._spec, credentials=worker.api.context.credentials)
        for key, worker in registry._workers.items()
    }
    assert running.keys() == wanted.keys()
    assert not diff_configs(running, wanted).restarts
    shown = {view.spec for view in world.daemon.fleet.offices.values()}
    assert shown == {each.spec for each in settings.offices.values()}


async def assert_all_become_fresh(world: World, config: EditedConfig) -> None:
    """When the edits have ended, every office becomes fresh and what is published is true."""
    config.broken.clear()
    for office in config.files.offices.values():
        office |= {"enabled": True, "customer_key": CUSTOMER_KEY_PREFIX + office["id"]}
    config.write_files()
    world.set_wanted(config.files.load_settings())
    await world.daemon.reload(ReloadTrigger.FILES)
    for name in config.files.offices:
        await world.wait_for_condition(Condition.FRESH, name, within=timedelta(hours=2))
        assert await world.is_true(name)
