"""`explain`: everything that is known of one office, for whoever must do something about it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.fleet import Known, known_office, read_with
from oddaemon.cli.words import OWNERS, STYLES, ahead, clock, dollars, duration
from oddaemon.core.model import Preferences, Reader
from oddaemon.core.office import new_state
from oddaemon.core.status import instant, office_document
from oddaemon.store.snapshot_row import SnapshotRow

LABEL_WIDTH = len("What to do") + 2
CLOCK_NOISE_SECONDS = 60
"""A smaller difference of an office's clock says nothing."""


def show_office(config: Path | None, office_id: str, *, as_json: bool) -> None:
    """Write all there is to know of an office; an unknown id ends the command with the nearest ones."""
    settings, now = settings_of(config), datetime.now(UTC)
    known = read_with(settings, lambda db: known_office(db, settings, office_id))
    if as_json:
        typer.echo(json.dumps(document(known, now), indent=2, ensure_ascii=False))
        return
    console = Console()
    if not console.is_terminal:
        for label, text in told(known, now):
            typer.echo(f"{label:<{LABEL_WIDTH}}{text}")
        return
    condition = known.status(now).standing.at(now).condition
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in told(known, now):
        table.add_row(label, Text(text, style=STYLES[condition] if label == "Condition" else ""))
    console.print(table)


def document(known: Known, now: datetime) -> dict[str, object]:
    """The office's document of `status --json`, and beside it how it is read and what it said of its aging."""
    state = known.state
    preferences = None if state is None else state.preferences
    return {
        **office_document(known.status(now), now),
        "preferences": None
        if preferences is None
        else {**asdict(preferences), "read_at": instant(preferences.read_at)},
        "reader": None if state is None else state.reader.value,
        "packing": None if state is None else asdict(state.packing),
        "clock_skew_seconds": None if state is None else state.skew_seconds,
        "failures_in_a_row": 0 if state is None else state.attempts,
        "rereads_in_a_row": 0 if state is None else state.rereads,
        "run_seconds": None if state is None else state.run_seconds,
        "labels": {} if known.settings is None else dict(known.settings.office.labels),
    }


def told(known: Known, now: datetime) -> Iterator[tuple[str, str]]:
    """The same for a person: a label and a sentence a line."""
    state = known.state or new_state(now)
    standing = state.standing.at(now)
    yield "Office", known.id if known.name == known.id else f"{known.id}, {known.name}"
    yield "Condition", f"{standing.condition} for {duration(now - standing.since)}, since {clock(standing.since)}"
    yield "Why", standing.reason
    yield "Who acts", "nobody, it goes on by itself" if standing.owner is None else OWNERS[standing.owner]
    if standing.advice:
        yield "What to do", standing.advice
    if standing.letter:
        yield "To send", standing.letter
    if standing.next_action_at is not None:
        at = standing.next_action_at
        yield "Next", f"{standing.next_action} {ahead(at, now)}, at {clock(at)}"
    if standing.late_at is not None:
        yield "Deadline", f"late from {clock(standing.late_at)} on"
    yield from _aging(state.preferences, now)
    if state.skew_seconds is not None and abs(state.skew_seconds) >= CLOCK_NOISE_SECONDS:
        side = "ahead of" if state.skew_seconds > 0 else "behind"
        zone = known.settings.office.zone if known.settings else None
        yield "Clock", f"{abs(state.skew_seconds):,.0f} s {side} {zone or 'UTC'}"
    yield from _snapshot(known.snapshot, now)
    if known.state is None:
        yield "Reading", "not read yet"
    elif state.reader is Reader.PAGES:
        yield "Reading", "in pages, between two controls"
    else:
        lanes, span = state.packing.lanes, state.packing.lane_span
        yield "Reading", f"in one statement: {lanes} lanes a row, {span} PatNum{'' if span == 1 else 's'} a lane"
    if state.attempts or state.rereads:
        yield "Failures", f"{state.attempts} in a row, {state.rereads} pulls thrown away in a row"


def _aging(preferences: Preferences | None, now: datetime) -> Iterator[tuple[str, str]]:
    if preferences is None:
        return
    stored = {
        "DateLastAging": preferences.date_last_aging,
        "AgingServiceTimeDue": preferences.aging_service_time_due,
        "AgingBeginDateTime": preferences.aging_begin,
    }
    yield "Aging", ", ".join(f"{name} {value or 'not set'}" for name, value in stored.items())
    monthly = ", aging once a month" if preferences.monthly.strip() == "1" else ""
    read = duration(now - preferences.read_at)
    yield "Program", f"Open Dental {preferences.program_version or 'of unknown version'}{monthly}; all read {read} ago"


def _snapshot(snapshot: SnapshotRow | None, now: datetime) -> Iterator[tuple[str, str]]:
    if snapshot is None:
        yield "Snapshot", "none published yet"
        return
    guarantors = f"{snapshot.totals.guarantors:,} guarantors, {dollars(snapshot.totals.bal_total)} in all"
    changes = f"{snapshot.new:,} new, {snapshot.changed:,} changed, {snapshot.cleared:,} cleared"
    yield "Snapshot", f"number {snapshot.id} of the aging of {snapshot.aging_date}: {guarantors}; {changes}"
    yield "Published", f"{duration(now - snapshot.published_at)} ago, at {clock(snapshot.published_at)}"
    proof = f"rows, seven sums and checksum equal the office's own at {clock(snapshot.observed_at)}"
    requests = "1 request" if snapshot.requests == 1 else f"{snapshot.requests} requests"
    yield "Proof", f"{proof}; read by {snapshot.reader} in {requests}"
