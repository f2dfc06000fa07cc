"""The disk fills up in the middle of an export: the previous file and its manifest stay as they were."""

import errno
import hashlib
import json
from pathlib import Path

import pytest

from oddaemon.sinks.formats.columns import ColumnType, ExportColumn, Row
from oddaemon.sinks.formats.export import FileFormat, Layout, export
from tests.cli.sample_fleet import make_fleet
from tests.disk.disk_filler import fill_disk

LAYOUT = Layout(
    FileFormat.CSV, (ExportColumn("pat_num", ColumnType.INTEGER), ExportColumn("bal_total", ColumnType.MONEY))
)
PREVIOUS: list[Row] = [(number, 100 * number) for number in range(10)]
"""A page of the disk with its manifest's."""
LARGER: list[Row] = [(number, 7 * number) for number in range(1000)]
"""Three pages and one for the manifest."""


def read_files(place: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in place.iterdir() if each.name != "ballast"}


@pytest.mark.parametrize("previous", [[], [PREVIOUS]], ids=["a new file", "a file that is replaced"])
def test_an_export_on_a_full_disk_is_whole_with_its_manifest_or_absent(
    small_disk: Path, previous: list[list[Row]]
) -> None:
    path, ballast = small_disk / "today.csv", small_disk / "ballast"
    if previous:
        export(path, LAYOUT, previous)
    before, refused = read_files(small_disk), 0
    while not has_room(path, ballast, refused):
        assert read_files(small_disk) == before
        refused += 1
    assert refused == 4, "of the rows three, and one of the manifest"
    manifest = json.loads(read_files(small_disk)["today.csv.manifest.json"])
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def has_room(path: Path, ballast: Path, pages: int) -> bool:
    """Whether this number of pages is enough for the export."""
    ballast.unlink(missing_ok=True)
    fill_disk(ballast, leaving_pages=pages)
    try:
        export(path, LAYOUT, [LARGER])
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson", "parquet"])
def test_the_command_says_so_in_a_sentence_and_changes_nothing(tmp_path: Path, small_disk: Path, form: str) -> None:
    fleet, target = make_fleet(tmp_path), small_disk / "today"
    target.write_text("yesterday's")
    fill_disk(small_disk / "ballast")

    result = fleet.run("balances", "bright-smiles", "--format", form, "--output", str(target))

    assert result.exit_code == 1
    assert f"cannot write {target}: No space left on device; nothing has changed there" in result.stderr
    assert read_files(small_disk) == {"today": b"yesterday's"}
