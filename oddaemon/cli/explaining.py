"""`explain`: everything that is known of one office, for whoever must do something about it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddaemon.cli.configuration import find
from oddaemon.cli.fleet import office_told
from oddaemon.cli.timeline import timeline
from oddaemon.cli.words import STYLES, ahead, clock, dollars, duration
from oddaemon.core.key_trial import trial_told
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.standing import OWNERS
from oddaemon.core.status import SnapshotDocument
from oddaemon.engine.details import OfficeDetails, PreferencesDocument, PullDocument

LABEL_WIDTH = len("What to do") + 2
CLOCK_NOISE_SECONDS = 60
"""A smaller difference of an office's clock says nothing."""


def show_office(config: Path | None, office_id: str, entries: int, *, as_json: bool) -> None:
    """Write all there is to know of an office; an unknown id ends the command with the nearest ones."""
    now = datetime.now(UTC)
    explained = office_told(find(config), office_id, entries, now)
    if explained.remark:
        typer.echo(f"oddaemon: {explained.remark}.", err=True)
    if as_json:
        typer.echo(json.dumps(explained.whole, indent=2, ensure_ascii=False))
        return
    console = Console()
    if console.is_terminal:
        _draw(explained.document, now, console)
        return
    for label, text in told(explained.document, now):
        typer.echo(f"{label:<{LABEL_WIDTH}}{text}")
    if explained.document["journal"]:
        typer.echo("")
    for at, sentence, _ in timeline(explained.document["journal"]):
        typer.echo(f"{at}  {sentence}")


def _draw(document: OfficeDetails, now: datetime, console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in told(document, now):
        style = STYLES[Condition(document["condition"])] if label == "Condition" else ""
        table.add_row(label, Text(text, style=style))
    console.print(table)
    if document["journal"]:
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="dim", no_wrap=True)
        lines.add_column(overflow="fold")
        for at, sentence, style in timeline(document["journal"]):
            lines.add_row(at, Text(sentence, style=style))
        console.print()
        console.print(lines)


def told(document: OfficeDetails, now: datetime) -> Iterator[tuple[str, str]]:
    """The same for a person: a label and a sentence a line."""
    since = _instant(document["since"])
    same = document["name"] == document["id"]
    yield "Office", document["id"] if same else f"{document['id']}, {document['name']}"
    yield "Condition", f"{document['condition']} for {duration(now - since)}, since {clock(since)}"
    yield "Why", document["reason"]
    yield "Who acts", "nobody, it goes on by itself" if document["owner"] is None else OWNERS[Owner(document["owner"])]
    if document["advice"]:
        yield "What to do", document["advice"]
    if document["letter"]:
        yield "To send", document["letter"]
    if (trial := document["key_trial"]) is not None:
        yield "Key", trial_told(trial["former_accepted"], clock(_instant(trial["ends_at"])))
    if document["next_action_at"] is not None:
        at = _instant(document["next_action_at"])
        yield "Next", f"{document['next_action']} {ahead(at, now)}, at {clock(at)}"
    if document["late_at"] is not None:
        yield "Deadline", f"late from {clock(_instant(document['late_at']))} on"
    if document["preferences"] is not None:
        yield from _aging(document["preferences"], now)
    skew_seconds = document["clock_skew_seconds"]
    if skew_seconds is not None and abs(skew_seconds) >= CLOCK_NOISE_SECONDS:
        side = "ahead of" if skew_seconds > 0 else "behind"
        yield "Clock", f"{abs(skew_seconds):,.0f} s {side} {document['timezone'] or 'UTC'}"
    yield from _snapshot(document["snapshot"], document["last_pull"], now)
    yield "Reading", _reading(document)
    attempts, rereads = document["failures_in_a_row"], document["rereads_in_a_row"]
    if attempts or rereads:
        yield "Failures", f"{attempts} in a row, {rereads} pulls thrown away in a row"


def _aging(preferences: PreferencesDocument, now: datetime) -> Iterator[tuple[str, str]]:
    stored = {
        "DateLastAging": preferences["date_last_aging"],
        "AgingServiceTimeDue": preferences["aging_service_time_due"],
        "AgingBeginDateTime": preferences["aging_begin"],
    }
    yield "Aging", ", ".join(f"{name} {value or 'not set'}" for name, value in stored.items())
    monthly = ", aging once a month" if preferences["monthly"].strip() == "1" else ""
    read = duration(now - _instant(preferences["read_at"]))
    version = preferences["program_version"] or "of unknown version"
    yield "Program", f"Open Dental {version}{monthly}; all read {read} ago"


def _snapshot(snapshot: SnapshotDocument | None, pull: PullDocument | None, now: datetime) -> Iterator[tuple[str, str]]:
    if snapshot is None:
        yield "Snapshot", "none published yet"
        return
    published_at = _instant(snapshot["published_at"])
    guarantors = f"{snapshot['guarantors']:,} guarantors, {dollars(int(snapshot['bal_total'].replace('.', '')))} in all"
    changes = f"; {pull['new']:,} new, {pull['changed']:,} changed, {pull['cleared']:,} cleared" if pull else ""
    yield "Snapshot", f"number {snapshot['id']} of the aging of {snapshot['aging_date']}: {guarantors}{changes}"
    yield "Published", f"{duration(now - published_at)} ago, at {clock(published_at)}"
    if pull is not None:
        proof = f"rows, seven sums and checksum equal the office's own at {clock(_instant(pull['observed_at']))}"
        requests = "1 request" if pull["requests"] == 1 else f"{pull['requests']} requests"
        yield "Proof", f"{proof}; read by {pull['reader']} in {requests}"


def _reading(document: OfficeDetails) -> str:
    packing = document["packing"]
    if packing is None:
        return "not read yet"
    if document["reader"] != Reader.STATEMENT:
        return "in pages, between two controls" if document["reader"] == Reader.PAGES else f"by {document['reader']}"
    lanes, span = packing["lanes"], packing["lane_span"]
    return f"in one statement: {lanes} lanes a row, {span} PatNum{'' if span == 1 else 's'} a lane"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
