"""What the log says of aging."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from oddaemon.core.model import Preferences
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import PublishSucceeded
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.offices.transition_events import OfficeEventEmitter
from oddaemon.telemetry.events import AgingStatusChanged
from oddaemon.telemetry.events.base import Event
from tests.engine.night import BEFORE_DAWN, make_office_settings


def test_a_run_is_reported_complete_when_its_lock_is_gone() -> None:
    emitted: list[Event] = []
    office, now = make_office_settings().spec, BEFORE_DAWN.replace(hour=10, minute=5)
    state = make_initial_state(now)
    reporter = OfficeEventEmitter(OfficeRuntime(office, state, now), emitted.append)

    def observe(at: datetime, **changes: Any) -> None:
        nonlocal state
        known = state.preferences or Preferences("2026-03-02", "2020-01-01 02:00:00", "", "0", "25.4.48.0", now)
        before, state = state, replace(state, preferences=replace(known, **changes))
        reporter.emit_transition(before, state, PublishSucceeded(), at)

    observe(now, aging_begin="2026-03-03 02:00:00")
    observe(now, date_last_aging="2026-03-03")
    observe(now, aging_begin="")
    observe(now)
    observed = [(event.status, str(event.aging_date)) for event in emitted if isinstance(event, AgingStatusChanged)]
    assert observed == [("running", "None"), ("complete", "2026-03-03")]
