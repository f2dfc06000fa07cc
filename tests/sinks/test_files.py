import csv
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from pyarrow import parquet

from oddaemon.core.reporting.formatting import format_money
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.files import Files
from oddaemon.sinks.formats.export import FileFormat
from oddaemon.sinks.payload import DeliveryFailed
from tests.disk.conftest import remount, small_disk, unprivileged
from tests.disk.disk_filler import fill_disk
from tests.golden import GoldenTexts
from tests.sinks.payloads import make_night_balances, make_payload

__all__ = ["remount", "small_disk", "unprivileged"]
SECONDS = 60.0


def make_files(
    directory: Path,
    form: FileFormat = FileFormat.NDJSON,
    timeout_seconds: float = SECONDS,
    *,
    keeps_all: bool = False,
) -> Files:
    return Files(directory, form, timeout_seconds, keeps_all_snapshots=keeps_all)


def list_files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def read_consumed(directory: Path, office_id: str = "smile") -> list[tuple[int, str]]:
    """What a consumer believes who reads the last file of an office that has a manifest, and proves it."""
    manifests = [json.loads(path.read_text()) for path in directory.glob(f"office={office_id}/*/*.manifest.json")]
    if not manifests:
        return []
    last = max(manifests, key=lambda each: each["snapshot"]["id"])
    day = last["snapshot"]["aging_date"]
    content = (directory / f"office={office_id}" / f"aging_date={day}" / last["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == last["sha256"]
    rows = [json.loads(line) for line in content.splitlines()]
    assert len(rows) == last["rows"] == last["snapshot"]["guarantors"]
    assert last["totals"] == last["snapshot"]["totals"]
    return [(row["pat_num"], row["bal_total"]) for row in rows]


def get_true_totals(number: int) -> list[tuple[int, str]]:
    return [(row.pat_num, format_money(row.bal_total)) for row in make_night_balances(number)]


async def get_delivery_error(directory: Path, what: Payload | None = None, form: FileFormat = FileFormat.NDJSON) -> str:
    with pytest.raises(DeliveryFailed) as caught:
        await make_files(directory, form).deliver(what or make_payload(), "d1")
    return str(caught.value)


async def test_a_delivery_is_one_file_in_a_dated_tree_with_its_proof(tmp_path: Path) -> None:
    await make_files(tmp_path / "lake").deliver(make_payload(), "d1")
    name = "office=smile/aging_date=2026-03-01/snapshot-000000000001.ndjson"
    assert list_files(tmp_path / "lake") == [name, f"{name}.manifest.json"]
    assert read_consumed(tmp_path / "lake") == get_true_totals(1)
    manifest = json.loads((tmp_path / "lake" / f"{name}.manifest.json").read_text())
    assert (manifest["delivery_id"], manifest["office"], manifest["content"]) == ("d1", "smile", "snapshot")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "lake").rglob("*"))


async def test_formats_say_the_same(tmp_path: Path) -> None:
    for form in (FileFormat.CSV, FileFormat.PARQUET):
        await make_files(tmp_path, form).deliver(make_payload(), "d1")
    folder = tmp_path / "office=smile" / "aging_date=2026-03-01"
    with (folder / "snapshot-000000000001.csv").open() as file:
        assert [(int(row["pat_num"]), row["bal_total"]) for row in csv.DictReader(file)] == get_true_totals(1)
    # Read as the one table that tools see in such a tree.
    table = parquet.read_table(folder / "snapshot-000000000001.parquet", partitioning=None)
    pairs = zip(table["pat_num"].to_pylist(), table["bal_total"].to_pylist(), strict=True)
    assert list(pairs) == [(pat_num, Decimal(total)) for pat_num, total in get_true_totals(1)]


async def test_a_second_delivery_of_the_same_id_changes_nothing(tmp_path: Path) -> None:
    sink = make_files(tmp_path)
    await sink.deliver(make_payload(), "d1")
    before = _list_inodes(tmp_path)
    await sink.deliver(make_payload(), "d1")
    assert _list_inodes(tmp_path) == before


def _list_inodes(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in directory.rglob("*")}


async def test_of_one_aging_date_only_the_last_snapshot_stays(tmp_path: Path) -> None:
    sink = make_files(tmp_path)
    await sink.deliver(make_payload(1), "d1")
    again = replace(
        make_payload(2), snapshot=replace(make_payload(2).snapshot, aging_date=make_payload(1).snapshot.aging_date)
    )
    await sink.deliver(again, "d2")
    assert [name for name in list_files(tmp_path) if "manifest" not in name] == [
        "office=smile/aging_date=2026-03-01/snapshot-000000000002.ndjson"
    ]
    assert read_consumed(tmp_path) == get_true_totals(2)


async def test_a_restored_database_which_counts_lower_leaves_no_second_snapshot_of_a_day(tmp_path: Path) -> None:
    sink = make_files(tmp_path)
    await sink.deliver(make_payload(2), "d1")
    again = replace(
        make_payload(1), snapshot=replace(make_payload(1).snapshot, aging_date=make_payload(2).snapshot.aging_date)
    )
    await sink.deliver(again, "d2")
    assert len(list_files(tmp_path)) == 2
    assert read_consumed(tmp_path) == get_true_totals(1)


async def test_changes_stay_all_and_lead_from_the_snapshot_to_the_last_one(tmp_path: Path) -> None:
    sink = make_files(tmp_path, keeps_all=True)
    day = make_payload(1).snapshot.aging_date
    for number in (1, 2, 3):
        what = make_payload(number, changes=number > 1)
        await sink.deliver(replace(what, snapshot=replace(what.snapshot, aging_date=day)), f"d{number}")
    assert _apply_all_files(tmp_path) == get_true_totals(3)


def _apply_all_files(directory: Path) -> list[tuple[int, str]]:
    """What comes of applying all files in the order of their numbers."""
    book: dict[int, str] = {}
    for path in sorted(directory.rglob("*.ndjson"), key=lambda path: path.stem.rpartition("-")[2]):
        for row in map(json.loads, path.read_text().splitlines()):
            if row.get("change") == "cleared":
                del book[row["pat_num"]]
            else:
                book[row["pat_num"]] = row["bal_total"]
    return sorted(book.items())


class _SimulatedPowerFailure(Exception):
    """The process is gone."""


@pytest.mark.parametrize("step", range(12))
def test_a_kill_between_any_two_steps_leaves_the_previous_or_the_next_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whichever call to the disk is the last one that happens."""
    same_day = replace(
        make_payload(2), snapshot=replace(make_payload(2).snapshot, aging_date=make_payload(1).snapshot.aging_date)
    )
    make_files(tmp_path).write(make_payload(1), "d1")
    left = step

    def fail_at_step(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                raise _SimulatedPowerFailure
            left -= 1
            return real(*args, **named)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            patch.setattr(owner, name, fail_at_step(getattr(owner, name)))
        try:
            make_files(tmp_path).write(same_day, "d2")
        except _SimulatedPowerFailure:
            assert read_consumed(tmp_path) in (get_true_totals(1), get_true_totals(2))
        else:
            assert step > 6, "all of it took so few steps"
    make_files(tmp_path).write(same_day, "d2")
    assert read_consumed(tmp_path) == get_true_totals(2)
    assert len(list_files(tmp_path)) == 2


async def test_a_full_disk_is_reported_and_leaves_no_partial_file(small_disk: Path, golden: GoldenTexts) -> None:
    sink = make_files(small_disk)
    await sink.deliver(make_payload(1), "d1")
    ballast = small_disk / "ballast"
    fill_disk(ballast)
    golden.check(await get_delivery_error(small_disk, make_payload(2)))
    assert read_consumed(small_disk) == get_true_totals(1)
    ballast.unlink()
    await sink.deliver(make_payload(2), "d2")
    assert read_consumed(small_disk) == get_true_totals(2)
    assert len(list_files(small_disk)) == 4


async def test_a_read_only_disk_is_reported(small_disk: Path, remount: Callable[[str], None]) -> None:
    remount("ro")
    assert "Read-only file system" in await get_delivery_error(small_disk)


async def test_a_directory_of_another_user_is_reported(unprivileged: Path) -> None:
    closed = unprivileged / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(OSError, match="Permission denied"):
        make_files(closed / "lake").write(make_payload(), "d1")


async def test_a_file_in_place_of_a_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    assert "Not a directory" in await get_delivery_error(tmp_path / "lake")


async def test_a_disk_that_hangs_is_reported_and_keeps_one_thread(tmp_path: Path, golden: GoldenTexts) -> None:
    folder = tmp_path / "office=smile" / "aging_date=2026-03-01"
    folder.mkdir(parents=True)
    pipe = folder / "snapshot-000000000001.ndjson.manifest.json"
    os.mkfifo(pipe)
    sink = make_files(tmp_path, timeout_seconds=0.5)
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(make_payload(), "d1")
    golden.check(caught.value)
    for number in (1, 2):
        with pytest.raises(DeliveryFailed, match="still hangs"):
            await sink.deliver(make_payload(number), f"d{number}")
    assert list_files(tmp_path) == []
    with os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "w") as file:
        file.write("{}")
    is_well = False
    with anyio.fail_after(SECONDS):
        while not is_well:
            with suppress(DeliveryFailed):
                await sink.deliver(make_payload(), "d1")
                is_well = True
    assert read_consumed(tmp_path) == get_true_totals(1)
