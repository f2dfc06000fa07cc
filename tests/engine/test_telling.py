"""What the log says of aging."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from oddaemon.core.model import Cadence, Preferences
from oddaemon.core.office import new_state
from oddaemon.core.state import PublishedNow, Wish
from oddaemon.engine.fleet import OfficeView
from oddaemon.engine.reporter import Reporter
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import AgingObserved
from tests.engine.night import BEFORE_DAWN, office_settings


def test_a_run_is_told_complete_when_its_lock_is_gone_though_its_date_moved_before() -> None:
    told: list[Event] = []
    office, now = office_settings().office, BEFORE_DAWN.replace(hour=10, minute=5)
    state = new_state(now)
    reporter = Reporter(Wish(office, Cadence()), OfficeView(office, state, None, now), told.append)

    def seen(at: datetime, **moved: Any) -> None:
        nonlocal state
        known = state.preferences or Preferences("2026-03-02", "2020-01-01 02:00:00", "", "0", "25.4.48.0", now)
        before, state = state, replace(state, preferences=replace(known, **moved))
        reporter.turned(before, state, PublishedNow(), at)

    seen(now, aging_begin="2026-03-03 02:00:00")
    seen(now, date_last_aging="2026-03-03")
    seen(now, aging_begin="")
    seen(now)
    observed = [(event.status, str(event.aging_date)) for event in told if isinstance(event, AgingObserved)]
    assert observed == [("running", "None"), ("complete", "2026-03-03")]
