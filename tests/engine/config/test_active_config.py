"""The one path of a reload: everything read, everything checked, all of it applied or nothing."""

import sqlite3
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.core.config_diff import ConfigChange, ConfigDiff, diff_configs
from oddaemon.core.model import Condition
from oddaemon.engine.config.active_config import ActiveConfig, ReloadTrigger, RemovalsRefused
from oddaemon.settings import BadConfiguration, LoadResult, LogSettings, OfficeSettings, Settings
from oddaemon.settings.model import keep_restart_tables
from oddaemon.settings.tables.office import OFFICE_FIELDS
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.telemetry import Telemetry
from tests.engine.config_files import make_config_files
from tests.engine.night import SMILE, night
from tests.engine.world import World
from tests.golden import GoldenTexts

SLOW = HeadquartersOptions(base_seconds=2)
KEY = "planted-customer-key"
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
SPECS = [replace(SMILE, office_id=name, seed=seed) for seed, name in enumerate(("elm", "oak", "ash"))]


async def assert_rejected(world: World, cause: ReloadTrigger) -> BadConfiguration:
    with pytest.raises(BadConfiguration) as refusal:
        await world.daemon.reload(cause)
    return refusal.value


def list_problems(world: World) -> list[list[str]]:
    return [each["problems"] for each in world.find_events("configuration_rejected")]


async def test_changes_are_reported_and_nothing_else_is_disturbed(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    # Its spacing does not hang on its tier.
    files.offices["elm"] |= {"reader": "pages", "min_interval_seconds": 1.0}
    async with night(tmp_path, SPECS, settings=files.write_and_load(), options=SLOW) as world:
        await world.wait_for_event("page_stored", office_id="elm")
        files.offices["elm"] |= {"name": "Elm Street", "labels": {"group": "coast"}, "tier": "enterprise"}
        files.offices["oak"]["clinics"] = [0]
        files.add("ash")
        world.set_wanted(files.write_and_load())
        plan, _ = await world.daemon.reload(ReloadTrigger.COMMAND)
        assert plan == ConfigDiff(
            ("ash",),
            (ConfigChange("elm", ("labels", "name", "tier"), restarts_worker=False), ConfigChange("oak", ("clinics",))),
            (),
            0,
        )
        loaded = world.find_events("configuration_loaded")[-1]
        assert (loaded["cause"], loaded["offices"], loaded["new"], loaded["unchanged"]) == ("command", 3, ["ash"], 0)
        assert loaded["changed"] == ["elm (labels, name, tier)", "oak (clinics)"]
        assert world.daemon.fleet.offices["elm"].spec.name == "Elm Street"
        await world.wait_for_snapshots(1, "elm")
        assert len(world.find_events("office_started", "elm")) == 1
        assert all(each.status == 200 for each in world.list_requests("elm"))


async def test_a_table_that_moves_to_another_file_is_no_change(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        files.file_by_office["elm"] = "both.toml"
        files.file_by_office["oak"] = "both.toml"
        files.write_and_load()
        assert (await world.daemon.reload(ReloadTrigger.COMMAND))[0] == ConfigDiff(unchanged=2)
        assert len(world.find_events("office_started", "elm")) == 1


async def test_a_bad_file_changes_nothing_and_shows_in_the_metrics(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        files.remove("oak")
        files.add("ash")
        files.write_and_load()
        (files.directory / "elm.toml").write_text("[[office]\n")
        bad = await assert_rejected(world, ReloadTrigger.SIGNAL)
        assert len(bad.problems) == 1
        assert set(world.daemon.fleet.offices) == {"elm", "oak"}
        assert "oddaemon_config_last_reload_successful 0.0" in world.render_metrics()
        world.set_wanted(files.write_and_load())
        await world.daemon.reload(ReloadTrigger.SIGNAL)
        assert set(world.daemon.fleet.offices) == {"elm", "ash"}
        assert "oddaemon_config_last_reload_successful 1.0" in world.render_metrics()


async def test_an_error_of_our_own_in_the_reading_ends_nothing(tmp_path: Path, golden: GoldenTexts) -> None:
    # A daemon that it ended would not start again either, for the same file.
    async with night(tmp_path, SPECS[:1], settings=make_config_files(tmp_path, "elm").write_and_load()) as world:
        configuration = world.daemon.configuration
        files, reader, configuration._reader = configuration.files, configuration._reader, raise_on_load
        bad = await assert_rejected(world, ReloadTrigger.SIGNAL)
        golden.check(str(bad))
        assert KEY not in str(list_problems(world))
        assert configuration.files == files
        await world.wait_for_snapshots(1, "elm")
        configuration._reader = reader
        assert (await world.daemon.reload(ReloadTrigger.FILES))[0] == ConfigDiff(unchanged=1)


def raise_on_load(_: Path) -> LoadResult:
    raise ZeroDivisionError(KEY)


async def test_a_file_that_stays_broken_is_reported_once(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        broken = files.directory / "elm.toml"
        broken.write_text("colour = 1\n")
        for _ in range(3):
            await assert_rejected(world, ReloadTrigger.FILES)
        assert len(list_problems(world)) == 1
        broken.write_text("colour = 1\nsound = 2\n")
        await assert_rejected(world, ReloadTrigger.FILES)
        assert [len(each) for each in list_problems(world)] == [1, 1]
        assert "sound" in list_problems(world)[1][0]
        await assert_rejected(world, ReloadTrigger.SIGNAL)
        assert len(list_problems(world)[2]) == 2
        files.write_and_load()
        await world.daemon.reload(ReloadTrigger.FILES)
        assert world.find_events("configuration_loaded")[-1]["cause"] == "files"
        broken.write_text("colour = 1\n")
        await assert_rejected(world, ReloadTrigger.FILES)
        assert len(list_problems(world)) == 4


async def test_files_that_say_the_same_are_no_news(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        await world.daemon.reload(ReloadTrigger.FILES)
        loaded = len(world.find_events("configuration_loaded"))
        files.write_and_load()
        await world.daemon.reload(ReloadTrigger.FILES)
        assert len(world.find_events("configuration_loaded")) == loaded
        await world.daemon.reload(ReloadTrigger.SIGNAL)
        assert len(world.find_events("configuration_loaded")) == loaded + 1


@pytest.mark.real("waits for the lock time-out of SQLite in real time")
async def test_a_database_that_does_not_take_the_offices_leaves_everything_as_it_was(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        await world.wait_for_snapshots(1, "elm")
        await world.wait_for_snapshots(1, "oak")
        before = world.settings
        files.remove("oak")
        files.add("ash")
        files.write_and_load()
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            await world.daemon.reload(ReloadTrigger.FILES)
        other.execute("ROLLBACK")
        other.close()
        assert "locked" in list_problems(world)[0][0]
        assert "oddaemon_config_last_reload_successful 0.0" in world.render_metrics()
        assert set(world.daemon.fleet.offices) == {"elm", "oak"}
        assert world.daemon.settings.offices == before.offices
        assert await files.read_wanted_ids() == {"elm", "oak"}
        world.set_wanted(files.load_settings())
        await world.daemon.reload(ReloadTrigger.FILES)
        assert await files.read_wanted_ids() == {"elm", "ash"}
        await world.wait_for_snapshots(1, "ash")


async def test_a_removed_office_keeps_its_data_and_is_marked(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        await world.wait_for_snapshots(1, "oak")
        files.remove("oak")
        world.set_wanted(files.write_and_load())
        await world.daemon.reload(ReloadTrigger.FILES)
        assert world.find_events("configuration_loaded")[-1]["removed"] == ["oak"]
        assert world.find_events("office_stopped", "oak")[-1]["reason"] == "removed or reconfigured"
        assert await files.read_wanted_ids() == {"elm"}
        assert len(await world.read_history("oak")) == 1
        assert await world.read_balances("oak")


@pytest.mark.parametrize("trigger", [ReloadTrigger.FILES, ReloadTrigger.SIGNAL, ReloadTrigger.COMMAND])
async def test_a_reload_that_would_remove_most_offices_needs_the_operator_s_word(
    tmp_path: Path, trigger: ReloadTrigger
) -> None:
    files = make_config_files(tmp_path, "elm", "oak", "ash", "fir", "yew", "bay", "box")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        for name in ("elm", "oak", "ash", "fir"):
            files.remove(name)
        files.write_files()
        rejection = await assert_rejected(world, trigger)
        assert isinstance(rejection, RemovalsRefused)
        assert "4 of 7" in rejection.problems[0].message
        assert "oddaemon reload --accept-removals" in rejection.problems[0].hint
        assert len(world.daemon.fleet.offices) == len(world.settings.offices) == 7
        assert list_problems(world) == [[str(rejection)]]
        assert "oddaemon_config_last_reload_successful 0.0" in world.render_metrics()
        status = await world.daemon.admin.status.get_fleet()
        assert status["daemon"] is not None
        assert status["daemon"]["configuration_rejected"] == str(rejection)
        with pytest.raises(CommandRejected) as refusal:
            await world.daemon.admin.commands.reload(1000)
        assert refusal.value.kind is RejectionKind.BAD_CONFIGURATION
        assert "oddaemon check" not in refusal.value.advice, "it would find no problem"
        planned = await world.daemon.admin.commands.preview_reload()
        assert planned["warnings"][-1]["message"] == rejection.problems[0].message

        world.set_wanted(files.load_settings())
        done = await world.daemon.admin.commands.reload(1000, accept_removals=True)
        assert sorted(done["plan"]["removed"]) == ["ash", "elm", "fir", "oak"]
        assert sorted(world.daemon.fleet.offices) == ["bay", "box", "yew"]
        status = await world.daemon.admin.status.get_fleet()
        assert status["daemon"] is not None
        assert status["daemon"]["configuration_rejected"] == ""


async def test_reloads_come_one_after_the_other(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        files.add("ash")
        world.set_wanted(files.write_and_load())
        async with anyio.create_task_group() as tasks:
            for cause in (ReloadTrigger.SIGNAL, ReloadTrigger.FILES, ReloadTrigger.COMMAND):
                tasks.start_soon(world.daemon.reload, cause)
        assert len(world.find_events("office_started", "ash")) == 1
        assert [each["new"] for each in world.find_events("configuration_loaded")].count(["ash"]) == 1


async def test_a_plan_is_reported_and_not_applied(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm", "oak")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        files.offices["elm"]["customer_key"] = "planted-other"
        files.offices["oak"]["enabled"] = False
        files.write_and_load()
        plan, _ = await world.daemon.configuration.preview()
        assert plan == ConfigDiff(changed=(ConfigChange("elm", ("customer_key",)), ConfigChange("oak", ("enabled",))))
        assert len(world.find_events("configuration_loaded")) == 1
        assert world.get_condition("oak") is not Condition.PAUSED


async def test_a_reload_command_answers_with_the_plan_or_with_every_problem(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    files = make_config_files(tmp_path, "elm")
    async with night(tmp_path, SPECS, settings=files.write_and_load()) as world:
        files.add("oak")
        world.set_wanted(files.write_and_load())
        service = world.daemon.admin.commands
        planned, done = await service.preview_reload(), await service.reload(1000)
        golden.check(planned["outcome"])
        assert done["outcome"] == "Applied: 1 new, 1 unchanged."
        assert planned["plan"] == done["plan"]
        for name in ("a", "b"):
            (files.directory / f"{name}.toml").write_text("colour = 1\n")
        with pytest.raises(CommandRejected) as refusal:
            await service.reload(1000)
        assert (refusal.value.kind, len(refusal.value.problems)) == (RejectionKind.BAD_CONFIGURATION, 2)
        assert "2 problems" in refusal.value.sentence
        with pytest.raises(CommandRejected, match="2 problems"):
            await service.preview_reload()
        given = [(each["command"], each["rejected"]) for each in world.find_events("command_received")]
        assert given == [("reload", False), ("reload", True)]


def test_every_setting_of_an_office_is_reported_by_its_name_in_the_file(tmp_path: Path) -> None:
    files = make_config_files(tmp_path, "elm")
    before = files.write_and_load().offices
    files.offices["elm"] = {
        "id": "elm",
        "name": "Elm Street",
        "customer_key": "another-customer-key",
        "timezone": "America/Chicago",
        "tier": "read_all",
        "min_interval_seconds": 9.0,
        "base_url": "http://10.0.0.1:30222/api/v1",
        "clinics": [1],
        "include": "debts",
        "fresh_by": "08:00",
        "reader": "report",
        "enabled": False,
        "labels": {"group": "coast"},
    }
    diff = diff_configs(before, files.write_and_load().offices)
    assert diff.changed[0].settings == tuple(
        sorted(name for name in OFFICE_FIELDS if name != "id" and not name.endswith(("_file", "_env")))
    )


@dataclass(frozen=True, slots=True)
class LaterSettings(Settings):
    """A version of the program that has one more table, about which nothing was declared."""

    later: LogSettings = field(default_factory=LogSettings)


def test_a_new_table_takes_effect_at_the_next_start_and_a_reload_reports_it(tmp_path: Path) -> None:
    settings = make_config_files(tmp_path, "elm").write_and_load()
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    active, wanted = LaterSettings(**values), LaterSettings(**values, later=LogSettings(level="debug"))
    assert keep_restart_tables(active, wanted) == active
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="test")
    assert ActiveConfig(active, telemetry).compute_diff(wanted).restart_required == ("[later]",)


@dataclass(frozen=True, slots=True)
class LaterOfficeSettings(OfficeSettings):
    """A version of the program that has one more setting, about which nothing was declared."""

    new_setting: int = 0


def test_a_new_setting_is_reported_and_restarts_its_worker_and_no_other(tmp_path: Path) -> None:
    settings = make_config_files(tmp_path, "elm", "oak").write_and_load()

    def with_new_setting(**values: int) -> dict[str, LaterOfficeSettings]:
        offices = (
            LaterOfficeSettings(
                **{each.name: getattr(office, each.name) for each in fields(office)},
                new_setting=values.get(office.spec.id, 0),
            )
            for office in settings.offices.values()
        )
        return {each.spec.id: each for each in offices}

    running, wanted = with_new_setting(), with_new_setting(oak=1)
    diff = diff_configs(running, wanted)
    assert diff == ConfigDiff(changed=(ConfigChange("oak", ("new_setting",)),), unchanged=1)
    assert diff.restarts == {"oak"}
