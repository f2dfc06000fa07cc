"""A whole daemon that looks after its database beside its offices."""

import re
from datetime import timedelta
from pathlib import Path

from oddaemon.core.model import Condition
from oddaemon.settings import MaintenanceSettings
from oddaemon.simulator.faults.faults import EConnectorDown
from oddaemon.store.sqlite.location import get_wal_bytes
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.engine.night import BEFORE_DAWN, SMALL, night, schedule_fault
from tests.store.held_database import hold_reading

EVERY_HOUR = dict.fromkeys(("prune", "incremental_vacuum", "wal_checkpoint", "backup", "integrity_check"), "0 * * * *")


def list_backups(directory: Path) -> list[Path]:
    return sorted(directory.glob("state-*.db"), reverse=True)


async def test_a_day_of_every_job_beside_a_night_s_pull(tmp_path: Path) -> None:
    maintenance = MaintenanceSettings(**EVERY_HOUR, digest="30 */6 * * *", backup_directory=tmp_path, backup_keep=2)
    async with night(tmp_path, (SMALL,), maintenance=maintenance) as world:
        await world.sleep_until(BEFORE_DAWN + timedelta(days=1, minutes=5))
        done = [line for line in world.lines if line["event"] == "maintenance_finished"]
        assert not [line for line in world.lines if line["event"] == "maintenance_failed"]
        assert {line["job"] for line in done} == {*EVERY_HOUR, "digest"}
        assert len([line for line in done if line["job"] == "backup"]) == 24
        assert 'oddaemon_maintenance_last_run_successful{task="backup"} 1.0' in world.render_metrics()
    backups = list_backups(tmp_path)
    assert len(backups) == 2
    assert verify(backups[0]).problems == []
    assert verify(backups[0]).snapshots == verify(tmp_path / "state.db").snapshots > 0


async def test_the_digest_names_who_is_not_fresh_and_why_and_no_patient(tmp_path: Path) -> None:
    maintenance = MaintenanceSettings(**{**dict.fromkeys(EVERY_HOUR, ""), "digest": "30 15 * * *"})  # type: ignore[arg-type]  # texts by name
    down = schedule_fault(EConnectorDown())
    async with night(tmp_path, (SMALL,), maintenance=maintenance, faults=[down]) as world:
        await world.wait_for_event("fleet_digest")
        (digest_line,) = [line for line in world.lines if line["event"] == "fleet_digest"]
        assert (digest_line["offices"], digest_line["fresh"], digest_line["conditions"]) == (
            1,
            0,
            {world.get_condition().value: 1},
        )
        (named,) = digest_line["not_fresh"]
        assert named["office"] == "smile"
        assert Condition(named["condition"]) is world.get_condition()
        assert named["reason"] == world.get_status().reason


async def test_a_missing_backup_directory_is_reported_and_the_daemon_goes_on(tmp_path: Path) -> None:
    maintenance = MaintenanceSettings(**{**EVERY_HOUR, "backup_directory": tmp_path / "unmounted"})  # type: ignore[arg-type]  # the same
    async with night(tmp_path, (SMALL,), maintenance=maintenance) as world:
        await world.wait_for_event("maintenance_failed", 2)
        failed = [line for line in world.lines if line["event"] == "maintenance_failed"]
        assert {line["job"] for line in failed} == {"backup"}
        assert "unmounted" in failed[0]["reason"]
        assert 'oddaemon_maintenance_last_run_successful{task="backup"} 0.0' in world.render_metrics()
        await world.wait_for_snapshots(1)


async def test_a_checkpoint_that_a_reader_prevents_is_a_failure_and_tried_again(tmp_path: Path) -> None:
    maintenance = MaintenanceSettings.make_disabled().model_copy(update={"wal_checkpoint": "30 * * * *"})
    async with night(tmp_path, (SMALL,), maintenance=maintenance) as world:
        await world.wait_for_snapshots(1)
        await world.database.execute_one("PRAGMA busy_timeout = 1")
        with hold_reading(world.database):
            await world.wait_for_event("maintenance_failed", 2)
            assert 'oddaemon_maintenance_last_run_successful{task="wal_checkpoint"} 0.0' in world.render_metrics()
        failed = [line for line in world.lines if line["event"] == "maintenance_failed"]
        assert {line["job"] for line in failed} == {"wal_checkpoint"}
        finished = len([line for line in world.lines if line["event"] == "maintenance_finished"])
        await world.wait_for_event("maintenance_finished", finished + 1)
        assert 'oddaemon_maintenance_last_run_successful{task="wal_checkpoint"} 1.0' in world.render_metrics()


async def test_the_size_of_the_log_is_measured(tmp_path: Path) -> None:
    async with night(tmp_path, (SMALL,), maintenance=MaintenanceSettings.make_disabled()) as world:
        await world.wait_for_snapshots(1)
        await world.sleep_until(BEFORE_DAWN + timedelta(hours=1))
        sample = re.search(r"^oddaemon_store_wal_bytes (\S+)$", world.render_metrics(), re.MULTILINE)
        assert sample is not None
        assert float(sample[1]) == get_wal_bytes(tmp_path / "state.db") > 0
