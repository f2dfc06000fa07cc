"""`explain`: everything that is known of one office, for whoever must do something about it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddaemon.admin.office_details import OfficeDetails, PreferencesDocument, PullDocument
from oddaemon.cli.output.formatting import (
    CONDITION_STYLES,
    format_dollars,
    format_duration,
    format_instant,
    format_relative,
)
from oddaemon.cli.output.journal import format_journal
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import load_office
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.office.key_rotation import describe_key_rotation
from oddaemon.core.office.status import OWNER_NAMES
from oddaemon.core.reporting.status_document import SnapshotDocument

LABEL_WIDTH = len("What to do") + 2
CLOCK_NOISE_SECONDS = 60
"""A smaller difference of an office's clock says nothing."""


def show_office(config: Path | None, office_id: str, entries: int, *, as_json: bool) -> None:
    """Write all there is to know of an office; an unknown id ends the command with the nearest ones."""
    now = datetime.now(UTC)
    report = load_office(find_config(config), office_id, entries, now)
    if report.remark:
        typer.echo(f"oddaemon: {report.remark}.", err=True)
    if as_json:
        typer.echo(json.dumps(report.raw_document, indent=2, ensure_ascii=False))
        return
    console = Console()
    if console.is_terminal:
        _print_table(report.document, now, console)
        return
    for label, text in describe_office(report.document, now):
        typer.echo(f"{label:<{LABEL_WIDTH}}{text}")
    if report.document["journal"]:
        typer.echo("")
    for at, sentence, _ in format_journal(report.document["journal"]):
        typer.echo(f"{at}  {sentence}")


def _print_table(document: OfficeDetails, now: datetime, console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in describe_office(document, now):
        style = CONDITION_STYLES[Condition(document["condition"])] if label == "Condition" else ""
        table.add_row(label, Text(text, style=style))
    console.print(table)
    if document["journal"]:
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="dim", no_wrap=True)
        lines.add_column(overflow="fold")
        for at, sentence, style in format_journal(document["journal"]):
            lines.add_row(at, Text(sentence, style=style))
        console.print()
        console.print(lines)


def describe_office(document: OfficeDetails, now: datetime) -> Iterator[tuple[str, str]]:
    """The same for a person: a label and a sentence a line."""
    since = _parse_instant(document["since"])
    same = document["name"] == document["id"]
    yield "Office", document["id"] if same else f"{document['id']}, {document['name']}"
    yield "Condition", f"{document['condition']} for {format_duration(now - since)}, since {format_instant(since)}"
    yield "Why", document["reason"]
    yield (
        "Who acts",
        "nobody, it goes on by itself" if document["owner"] is None else OWNER_NAMES[Owner(document["owner"])],
    )
    if document["advice"]:
        yield "What to do", document["advice"]
    if document["letter"]:
        yield "To send", document["letter"]
    if (rotation := document["key_trial"]) is not None:
        yield (
            "Key",
            describe_key_rotation(rotation["former_accepted"], format_instant(_parse_instant(rotation["ends_at"]))),
        )
    if document["next_action_at"] is not None:
        at = _parse_instant(document["next_action_at"])
        yield "Next", f"{document['next_action']} {format_relative(at, now)}, at {format_instant(at)}"
    if document["late_at"] is not None:
        yield "Deadline", f"late from {format_instant(_parse_instant(document['late_at']))} on"
    if document["preferences"] is not None:
        yield from _describe_aging(document["preferences"], now)
    skew_seconds = document["clock_skew_seconds"]
    if skew_seconds is not None and abs(skew_seconds) >= CLOCK_NOISE_SECONDS:
        side = "ahead of" if skew_seconds > 0 else "behind"
        yield "Clock", f"{abs(skew_seconds):,.0f} s {side} {document['timezone'] or 'UTC'}"
    yield from _describe_snapshot(document["snapshot"], document["last_pull"], now)
    yield "Reading", _describe_reader(document)
    attempts, rereads = document["failures_in_a_row"], document["rereads_in_a_row"]
    if attempts or rereads:
        yield "Failures", f"{attempts} in a row, {rereads} pulls thrown away in a row"


def _describe_aging(preferences: PreferencesDocument, now: datetime) -> Iterator[tuple[str, str]]:
    stored = {
        "DateLastAging": preferences["date_last_aging"],
        "AgingServiceTimeDue": preferences["aging_service_time_due"],
        "AgingBeginDateTime": preferences["aging_begin"],
    }
    yield "Aging", ", ".join(f"{name} {value or 'not set'}" for name, value in stored.items())
    monthly = ", aging once a month" if preferences["monthly"].strip() == "1" else ""
    age = format_duration(now - _parse_instant(preferences["read_at"]))
    version = preferences["program_version"] or "of unknown version"
    yield "Program", f"Open Dental {version}{monthly}; all read {age} ago"


def _describe_snapshot(
    snapshot: SnapshotDocument | None, pull: PullDocument | None, now: datetime
) -> Iterator[tuple[str, str]]:
    if snapshot is None:
        yield "Snapshot", "none published yet"
        return
    published_at = _parse_instant(snapshot["published_at"])
    guarantors = (
        f"{snapshot['guarantors']:,} guarantors, {format_dollars(int(snapshot['bal_total'].replace('.', '')))} in all"
    )
    changes = f"; {pull['new']:,} new, {pull['changed']:,} changed, {pull['cleared']:,} cleared" if pull else ""
    yield "Snapshot", f"number {snapshot['id']} of the aging of {snapshot['aging_date']}: {guarantors}{changes}"
    yield "Published", f"{format_duration(now - published_at)} ago, at {format_instant(published_at)}"
    if pull is not None:
        proof = (
            "rows, seven sums and checksum equal the office's own at "
            f"{format_instant(_parse_instant(pull['observed_at']))}"
        )
        requests = "1 request" if pull["requests"] == 1 else f"{pull['requests']} requests"
        yield "Proof", f"{proof}; read by {pull['reader']} in {requests}"


def _describe_reader(document: OfficeDetails) -> str:
    packing = document["packing"]
    if packing is None:
        return "not read yet"
    if document["reader"] != Reader.STATEMENT:
        return "in pages, between two controls" if document["reader"] == Reader.PAGES else f"by {document['reader']}"
    columns, span = packing["columns"], packing["pat_nums_per_column"]
    return f"in one statement: {columns} lanes a row, {span} PatNum{'' if span == 1 else 's'} a lane"


def _parse_instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
