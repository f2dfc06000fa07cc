"""What a human may ask of an office: leave it alone, watch it again, ask it now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.office.machine import make_initial_state, next_action
from oddaemon.core.office.state import (
    Intent,
    OfficeCommand,
    OfficeState,
    Started,
    Survey,
    TimerFired,
    Wait,
)
from oddaemon.core.office.transition import FAR_FUTURE
from tests.core.builders import make_instant, make_spec
from tests.golden import GoldenTexts

NOW = make_instant("2026-03-07 12:00")
LATER = NOW + timedelta(hours=1)


def make_backing_off(intent: Intent = Intent.SURVEY) -> OfficeState:
    return replace(make_initial_state(NOW), intent=intent, not_before=LATER, attempts=3)


def test_a_paused_office_is_left_alone_whatever_wakes_it() -> None:
    state, action = next_action(make_backing_off(), OfficeCommand.PAUSE, NOW, make_spec(), 0.5)
    assert action == Wait(FAR_FUTURE)
    assert (state.standing.condition, state.standing.owner) == (Condition.PAUSED, Owner.US)
    assert "operator" in state.standing.reason
    assert state.standing.next_action_at is None
    assert next_action(state, TimerFired(), LATER, make_spec(), 0.5) == (state, action)


def test_a_pause_outlives_a_restart() -> None:
    state, _ = next_action(make_backing_off(), OfficeCommand.PAUSE, NOW, make_spec(), 0.5)
    restarted, action = next_action(state, Started(), LATER, make_spec(), 0.5)
    assert action == Wait(FAR_FUTURE)
    assert restarted.standing.since == NOW


def test_a_resumed_office_is_asked_at_once() -> None:
    state, _ = next_action(make_backing_off(), OfficeCommand.PAUSE, NOW, make_spec(), 0.5)
    resumed, action = next_action(state, OfficeCommand.RESUME, LATER, make_spec(), 0.5)
    assert action == Survey()
    assert (resumed.paused, resumed.standing.condition) == (False, Condition.WAITING)


def test_no_command_enables_what_the_configuration_disabled(golden: GoldenTexts) -> None:
    off = make_spec(enabled=False)
    state, _ = next_action(make_backing_off(), Started(), NOW, off, 0.5)
    for command in (OfficeCommand.RESUME, OfficeCommand.SYNC):
        after, action = next_action(state, command, NOW, off, 0.5)
        assert action == Wait(FAR_FUTURE)
        golden.check(after.standing.reason)


def test_a_resumed_office_that_was_never_paused_goes_on_as_it_was() -> None:
    state, action = next_action(make_backing_off(), OfficeCommand.RESUME, NOW, make_spec(), 0.5)
    assert action == Wait(LATER)
    assert state.attempts == 3


@pytest.mark.parametrize("intent", [Intent.SURVEY, Intent.MEASURE_CLOCK])
def test_a_sync_ends_a_back_off(intent: Intent) -> None:
    state, action = next_action(make_backing_off(intent), OfficeCommand.SYNC, NOW, make_spec(), 0.5)
    assert not isinstance(action, Wait)
    assert (state.intent, state.attempts) == (intent, 3)


def test_a_sync_reads_all_preferences_and_not_only_those_that_move() -> None:
    _, action = next_action(make_backing_off(Intent.PROBE), OfficeCommand.SYNC, NOW, make_spec(), 0.5)
    assert action == Survey()


def test_a_sync_wakes_no_paused_office() -> None:
    state, _ = next_action(make_backing_off(), OfficeCommand.PAUSE, NOW, make_spec(), 0.5)
    assert next_action(state, OfficeCommand.SYNC, NOW, make_spec(), 0.5) == (state, Wait(FAR_FUTURE))


def test_a_key_that_may_query_again_is_read_by_the_statement() -> None:
    by_report, _ = next_action(make_backing_off(), Started(), NOW, make_spec(reader=Reader.REPORT), 0.5)
    assert by_report.reader is Reader.REPORT
    asked, _ = next_action(by_report, Started(), NOW, make_spec(), 0.5)
    assert asked.reader is Reader.STATEMENT
