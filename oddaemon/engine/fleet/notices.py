"""What one host reports of its fleet, each thing once."""

from collections.abc import Callable, Collection, Iterable

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.clock import find_skew
from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.telemetry.events import (
    FleetSettingsAgree,
    FleetSettingsDiffer,
    HostClockSkewed,
    LeasesGivenBack,
    LeasesTaken,
)
from oddaemon.telemetry.events.base import Event

NAMES_MAX = 20
"""In one log line."""
SKEW_SECONDS = 3600.0
"""Between two warnings of one clock."""


class FleetNotices:
    """The reports of one membership."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._differences: tuple[str, ...] = ()
        self._skew_reported_at = -SKEW_SECONDS

    def report_differences(self, differences: Iterable[ConfigDifference]) -> None:
        """The hosts' configurations differ, or agree again."""
        sentences = tuple(each.sentence for each in differences)
        if sentences != self._differences:
            self._differences = sentences
            self._emit(FleetSettingsDiffer(sentences) if sentences else FleetSettingsAgree())

    def report_skew(self, clock: SharedClock) -> None:
        """This machine's clock differs from the database's."""
        skew, now = find_skew(clock.machine_now(), clock.now()), clock.read_boot_clock()
        if skew is not None and now - self._skew_reported_at >= SKEW_SECONDS:
            self._skew_reported_at = now
            self._emit(HostClockSkewed(skew))

    def report_taken(self, kind: LeaseKind, names: Collection[str]) -> None:
        """This host has taken leases."""
        self._emit(LeasesTaken(kind.value, len(names), _shorten(names)))

    def report_given_back(self, kind: LeaseKind, names: Collection[str]) -> None:
        """This host has given leases back."""
        self._emit(LeasesGivenBack(kind.value, len(names), _shorten(names)))


def _shorten(names: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(names)[:NAMES_MAX])
