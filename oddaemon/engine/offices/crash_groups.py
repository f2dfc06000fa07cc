"""Finds the crashes that many offices share: one error of ours is reported once for the fleet, not once an office."""

from collections import defaultdict
from collections.abc import Callable

import anyio

from oddaemon.telemetry.events import OfficesCrashedAlike
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import find_crash_place, format_traceback

OFFICES_MIN = 3
"""This many offices that crash at one place have a common cause."""
MEMORY_SECONDS = 2 * 86_400.0
"""Longer than a quarantine: an error that ends it again is still the same one."""
OFFICES_NAMED_MAX = 20


class CrashGroups:
    """The recent crashes of one fleet, by the type and the place of their exception."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._crashed_at: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        """When each office last crashed by an error."""
        self._reported = set[tuple[str, str]]()

    def record_crash(self, office_id: str, error: Exception) -> bool:
        """Count a crash. Returns whether many offices share it; the first time, that is reported."""
        self._forget_old()
        group = type(error).__name__, find_crash_place(error)
        offices = self._crashed_at[group]
        offices[office_id] = anyio.current_time()
        if len(offices) < OFFICES_MIN:
            return False
        if group not in self._reported:
            self._reported.add(group)
            names = tuple(sorted(offices)[:OFFICES_NAMED_MAX])
            self._emit(OfficesCrashedAlike(*group, len(offices), names, format_traceback(error)))
        return True

    def _forget_old(self) -> None:
        since = anyio.current_time() - MEMORY_SECONDS
        for group, offices in list(self._crashed_at.items()):
            if max(offices.values()) < since:
                del self._crashed_at[group]
                self._reported.discard(group)
