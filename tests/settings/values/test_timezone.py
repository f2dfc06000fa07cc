import os
import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.settings.values import timezone

INSTANT = datetime(2026, 7, 1, tzinfo=UTC)


def find_source(name: str) -> bytes:
    return next(file.read_bytes() for folder in zoneinfo.TZPATH if (file := Path(folder, name)).exists())


@pytest.mark.skipif(not any(Path(each, "America/Denver").exists() for each in zoneinfo.TZPATH), reason="no zone files")
def test_new_rules_of_a_zone_count_from_the_next_reading_on(tmp_path: Path) -> None:
    denver, phoenix = find_source("America/Denver"), find_source("America/Phoenix")
    file = tmp_path / "America" / "Denver"
    file.parent.mkdir()
    file.write_bytes(denver)
    zoneinfo.ZoneInfo.clear_cache()
    try:
        zoneinfo.reset_tzpath([tmp_path])
        before = timezone.find_zone("America/Denver")
        assert timezone.find_zone("America/Denver") is before
        assert INSTANT.astimezone(before).utcoffset() == timedelta(hours=-6)
        replacement = tmp_path / "new"
        replacement.write_bytes(phoenix)
        os.replace(replacement, file)  # noqa: PTH105 - as a package manager does
        assert INSTANT.astimezone(timezone.find_zone("America/Denver")).utcoffset() == timedelta(hours=-7)
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()
