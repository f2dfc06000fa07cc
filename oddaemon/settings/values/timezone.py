"""Time zones of offices, by the name of a place.

Abbreviations are refused even if the IANA database has them: `EST` is five hours behind UTC all year.
"""

import os
import zoneinfo
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from oddaemon.core.suggestions import find_nearest
from oddaemon.settings.values.invalid import invalid

_ZONE_ALIASES = {
    alias: zone
    for zone, aliases in {
        "America/Los_Angeles": ("pacific standard time", "pst", "pdt", "pst8pdt", "pacific"),
        "America/Denver": ("mountain standard time", "mst", "mdt", "mst7mdt", "mountain"),
        "America/Phoenix": ("us mountain standard time", "arizona"),
        "America/Chicago": ("central standard time", "cst", "cdt", "cst6cdt", "central"),
        "America/New_York": ("eastern standard time", "est", "edt", "est5edt", "eastern"),
        "America/Halifax": ("atlantic standard time",),
        "America/Anchorage": ("alaskan standard time", "akst", "akdt", "alaska"),
        "Pacific/Honolulu": ("hawaiian standard time", "hst", "hawaii"),
    }.items()
    for alias in aliases
}
"""The names that Windows, on which Open Dental runs, and people use."""

_LIKELY_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Denver",
    "America/Phoenix",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/Halifax",
    "America/Regina",
    "America/St_Johns",
    "Pacific/Guam",
)
"""Zones of the United States and Canada, by population."""
_loaded_versions: dict[str, tuple[int, int, int] | None] = {}
"""The file of each zone when it was loaded; None: it came from a package."""
OFFSET_TOLERANCE = timedelta(seconds=60)


def find_zone(name: str) -> ZoneInfo:
    """Find the zone of an IANA name.

    Raises:
        PydanticCustomError: There is no such zone; the hint names the nearest.
    """
    if ("/" in name or name == "UTC") and name in _load_zone_names():
        return _load_zone(name)
    suggestion = _ZONE_ALIASES.get(name.casefold()) or _find_nearest_zone(name)
    hint = (
        f"did you mean `{suggestion}`?"
        if suggestion
        else "such as America/New_York; leave it out to let oddaemon measure the office's clock"
    )
    raise invalid("unknown time zone", hint)


def _load_zone(name: str) -> ZoneInfo:
    """Load a zone; again if its file was replaced since: the system may have got new rules."""
    files = (os.path.join(folder, name) for folder in zoneinfo.TZPATH)  # noqa: PTH118 - once for each office
    version = next((found for file in files if (found := _stat_file(file)) is not None), None)
    if _loaded_versions.setdefault(name, version) != version:
        ZoneInfo.clear_cache(only_keys=[name])
        _loaded_versions[name] = version
    return ZoneInfo(name)


def _stat_file(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def find_zones_by_offset(offset: timedelta, at: datetime) -> tuple[str, ...]:
    """Find the zones with this offset, of those where Open Dental is used; likeliest first.

    Args:
        offset: How far the office's clock is ahead of UTC.
        at: When it was measured, aware.
    """
    return tuple(
        name
        for name in _LIKELY_ZONES
        if abs((at.astimezone(ZoneInfo(name)).utcoffset() or timedelta()) - offset) <= OFFSET_TOLERANCE
    )


@cache
def _find_nearest_zone(name: str) -> str | None:
    zones = sorted(place for place in _load_zone_names() if "/" in place)
    wanted = name.replace(" ", "_")
    if zone_match := find_nearest(wanted, zones):
        return zone_match
    cities = {zone.rpartition("/")[2]: zone for zone in reversed(zones)}
    city = find_nearest(wanted, cities)
    return cities[city] if city else None


@cache
def _load_zone_names() -> frozenset[str]:
    """Load the names of the IANA database. It walks directories, which is too slow to repeat for each office."""
    return frozenset(available_timezones())
