"""Draws the state machine by running it: every intent with every observation that can follow, in many situations.

It knows no transition: it draws what `next_action` does.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import (
    AgingMark,
    ControlQueryResult,
    ControlTotals,
    DatabaseIdentity,
    OfficeSpec,
    Preferences,
    Reader,
    SnapshotSummary,
)
from oddaemon.core.office.machine import make_initial_state, next_action
from oddaemon.core.office.state import (
    Action,
    ClockMeasured,
    Failed,
    Intent,
    Observation,
    OfficeState,
    Probed,
    Publish,
    Published,
    PublishSucceeded,
    Pulled,
    Surveyed,
)

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
DATES = ("", "2026-03-02", "2026-03-03")
BEGINS = ("", "2026-03-03 11:58:00", "2026-03-01 02:00:00")
SPECS = tuple(OfficeSpec("smile", "Smile", zone=zone) for zone in (UTC, None))
TOTALS = ControlTotals(50, 0, 90_000, 0, 0, 0, 0, 90_000, 1)
NOTHING = ControlTotals(0, 0, 0, 0, 0, 0, 0, 0, 0)
HERE, ELSEWHERE = DatabaseIdentity(1, 2, 3), DatabaseIdentity(4, 5, 6)
PREVIOUS = SnapshotSummary(date(2026, 3, 1), datetime(2026, 3, 1), 50, 90_000, 90_000, 1)  # noqa: DTZ001  the office's own clock
PUBLISHED = Published(date(2026, 3, 1), NOW, 50, 1, "all:", PREVIOUS)

Edge = tuple[str, str]


def find_edges() -> dict[Edge, set[str]]:
    """From where to where, and through what."""
    found: dict[Edge, set[str]] = {}
    for state, spec in itertools.product(_list_states(), SPECS):
        for observation in _list_observations(state):
            after, action = next_action(state, observation, NOW, spec, 0.5)
            publishes = isinstance(action, Publish)
            target = "publish" if publishes else after.intent.value
            found.setdefault((state.intent.value, target), set()).add(_get_label(observation, action))
            if publishes:
                stored, _ = next_action(after, PublishSucceeded(), NOW, spec, 0.5)
                found.setdefault(("publish", stored.intent.value), set()).add("stored")
                kept, _ = next_action(state, Failed(Failure(FailureKind.STORE)), NOW, spec, 0.5)
                found.setdefault(("publish", kept.intent.value), set()).add("not stored")
    return found


def render_diagram() -> str:
    """The diagram in Mermaid."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> survey"]
    for (source, target), labels in sorted(find_edges().items()):
        lines.append(f"    {source} --> {target}: {', '.join(sorted(labels))}")
    return "\n".join([*lines, "```"])


def _list_preferences() -> Iterator[Preferences]:
    for last, begin, due in itertools.product(DATES, BEGINS, ("", "2020-01-01 02:00:00")):
        yield Preferences(last, due, begin, "0", "25.4.48.0", NOW - timedelta(minutes=5))


def _list_states() -> Iterator[OfficeState]:
    fresh = make_initial_state(NOW)
    yield fresh
    for preferences, intent in itertools.product(_list_preferences(), Intent):
        if intent is Intent.PULL and not preferences.date_last_aging:
            continue
        for reader in (Reader.STATEMENT, Reader.PAGES):
            state = replace(fresh, intent=intent, preferences=preferences, reader=reader)
            yield state
            if intent is Intent.PROBE:
                yield replace(state, confirming=Failure(FailureKind.UNKNOWN_401))
            if intent is Intent.PULL:
                yield replace(state, rereads=99)
                yield replace(state, published=PUBLISHED, identity=HERE)
            if intent is not Intent.PULL:
                yield replace(state, unidentified=True, identity=HERE)


def _list_observations(state: OfficeState) -> Iterator[Observation]:
    match state.intent:
        case Intent.SURVEY:
            yield from map(Surveyed, _list_preferences())
        case Intent.PROBE:
            yield from (Probed(AgingMark(*mark)) for mark in itertools.product(DATES, BEGINS))
        case Intent.MEASURE_CLOCK:
            yield from (ClockMeasured(0.0, identity) for identity in (HERE, ELSEWHERE))
        case Intent.PULL if state.preferences is not None:
            asked = date.fromisoformat(state.preferences.date_last_aging)
            for totals in (TOTALS, NOTHING):
                control = ControlQueryResult(
                    totals, asked.isoformat(), "", NOW.replace(tzinfo=None), NOW.replace(tzinfo=None), HERE
                )
                yield Pulled(asked, 1, control, state.packing, 0.0)
    pulling = state.intent is Intent.PULL
    for kind in FailureKind:
        failure = Failure(kind)
        if pulling or failure.kind.recovery.value in {"retry", "wait", "block", "stand_by"}:
            yield Failed(failure)


def _get_label(observation: Observation, action: Action) -> str:
    match observation:
        case Failed(failure):
            return failure.kind.recovery.value.replace("_", " ")
        case Surveyed() | Probed():
            return "aging complete" if "Pull" in type(action).__name__ else "answered"
        case ClockMeasured():
            return "measured"
        case _:
            return "proved" if isinstance(action, Publish) else "hold"
