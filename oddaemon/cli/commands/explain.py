"""`explain`: everything known about one office."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from oddaemon.admin.office_details import EntryDocument, OfficeDetails, PreferencesDocument, PullDocument
from oddaemon.cli.args.options import AsJson, Config, OfficeId
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.formatting import CONDITION_STYLES, format_instant, format_relative
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.table import print_pairs
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import load_office
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.office.status import OWNER_NAMES
from oddaemon.core.reporting.formatting import format_amount, format_count, format_duration, format_seconds
from oddaemon.core.reporting.status_document import SnapshotDocument, describe_key_rotation
from oddaemon.engine.journal.format import Formatters, render_entry

LABEL_WIDTH = len("What to do")
CLOCK_NOISE_SECONDS = 60
"""A smaller difference of an office's clock is not shown."""
LEVEL_STYLES = {"warning": "yellow", "error": "red", "debug": "dim"}
DIMMED_EVENTS = frozenset({"requests_summarized", "office_started", "office_stopped"})
"""Routine events."""
FORMATTERS = Formatters(lambda at: f"{at.astimezone():%H:%M:%S}", format_seconds)
"""Of the times within the sentences of the journal."""

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon explain bright-smiles", "oddaemon explain bright-smiles --journal 500"))
def explain(
    office: OfficeId,
    config: Config = None,
    journal: Annotated[
        int,
        typer.Option("--journal", "-n", metavar="N", min=0, max=10_000, help="Show the last N journal entries."),
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """The journal comes last, oldest entry first: decisions, failures, commands.

    Requests that found nothing new are summarized in one line.
    """
    now = datetime.now(UTC)
    report = load_office(find_config(config), office, journal, now)
    if report.remark:
        typer.echo(f"oddaemon: {report.remark}.", err=True)
    if as_json:
        print_json(report.document)
        return
    console = Console()
    condition_style = CONDITION_STYLES[Condition(report.document["condition"])]
    print_pairs(
        (
            (Text(label, style="bold"), Text(text, style=condition_style if label == "Condition" else ""))
            for label, text in describe_office(report.document, now)
        ),
        console,
        LABEL_WIDTH,
    )
    if report.document["journal"]:
        typer.echo("")
        print_pairs(map(format_entry, report.document["journal"]), console)


def format_entry(entry: EntryDocument) -> tuple[Text, Text]:
    """The local time and the sentence of an entry of the journal."""
    at = datetime.fromisoformat(entry["at"]).astimezone()
    style = "dim" if entry["event"] in DIMMED_EVENTS else LEVEL_STYLES.get(entry["level"], "")
    sentence = render_entry(entry["event"], entry["fields"], FORMATTERS)
    return Text(f"{at:%Y-%m-%d %H:%M:%S}", style="dim"), Text(sentence, style=style)


def describe_office(document: OfficeDetails, now: datetime) -> Iterator[tuple[str, str]]:
    """The office for people: a label and a sentence a line."""
    since = datetime.fromisoformat(document["since"])
    same = document["name"] == document["id"]
    yield "Office", document["id"] if same else f"{document['id']}, {document['name']}"
    yield "Condition", f"{document['condition']} for {format_duration(now - since)}, since {format_instant(since)}"
    yield "Why", document["reason"]
    if document["error_text"] and document["error_text"] not in document["reason"]:
        yield "Error text", document["error_text"]
    yield (
        "Who acts",
        "no one; oddaemon continues by itself" if document["owner"] is None else OWNER_NAMES[Owner(document["owner"])],
    )
    if document["advice"]:
        yield "What to do", document["advice"]
    if document["letter"]:
        yield "To send", document["letter"]
    if (rotation := document["key_trial"]) is not None:
        yield (
            "Key",
            describe_key_rotation(
                rotation["former_accepted"], format_instant(datetime.fromisoformat(rotation["ends_at"]))
            ),
        )
    yield from _describe_holder(document)
    if document["next_action_at"] is not None:
        at = datetime.fromisoformat(document["next_action_at"])
        yield "Next", f"{document['next_action']} {format_relative(at, now)}, at {format_instant(at)}"
    if document["late_at"] is not None:
        yield "Deadline", f"late from {format_instant(datetime.fromisoformat(document['late_at']))} on"
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
        yield "Failures", f"{attempts} in a row, {rereads} pulls discarded in a row"


def _describe_holder(document: OfficeDetails) -> Iterator[tuple[str, str]]:
    host, held_since = document["host"], document["held_since"]
    if host is not None and held_since is not None:
        yield "Host", f"{host}, since {format_instant(datetime.fromisoformat(held_since))}"


def _describe_aging(preferences: PreferencesDocument, now: datetime) -> Iterator[tuple[str, str]]:
    stored = {
        "DateLastAging": preferences["date_last_aging"],
        "AgingServiceTimeDue": preferences["aging_service_time_due"],
        "AgingBeginDateTime": preferences["aging_begin"],
    }
    yield "Aging", ", ".join(f"{name} {value or 'not set'}" for name, value in stored.items())
    monthly = ", aging once a month" if preferences["monthly"].strip() == "1" else ""
    age = format_duration(now - datetime.fromisoformat(preferences["read_at"]))
    version = preferences["program_version"] or "of unknown version"
    yield "Program", f"Open Dental {version}{monthly}; read {age} ago"


def _describe_snapshot(
    snapshot: SnapshotDocument | None, pull: PullDocument | None, now: datetime
) -> Iterator[tuple[str, str]]:
    if snapshot is None:
        yield "Snapshot", "none published yet"
        return
    published_at = datetime.fromisoformat(snapshot["published_at"])
    amount = snapshot["bal_total"]
    total = "" if amount is None else f", total {format_amount(int(amount.replace('.', '')))}"
    changes = f"; {pull['new']:,} new, {pull['changed']:,} changed, {pull['cleared']:,} cleared" if pull else ""
    label = f"number {snapshot['id']}, aging of {snapshot['aging_date']}"
    yield "Snapshot", f"{label}: {format_count(snapshot['guarantors'], 'guarantor')}{total}{changes}"
    yield "Published", f"{format_duration(now - published_at)} ago, at {format_instant(published_at)}"
    if pull is not None:
        observed_at = format_instant(datetime.fromisoformat(pull["observed_at"]))
        proof = f"row count, seven sums and checksum equal the office's own at {observed_at}"
        yield "Proof", f"{proof}; read by {pull['reader']} in {format_count(pull['requests'], 'request')}"


def _describe_reader(document: OfficeDetails) -> str:
    packing = document["packing"]
    if packing is None:
        return "not read yet"
    if document["reader"] != Reader.STATEMENT:
        return (
            "in pages between two control queries" if document["reader"] == Reader.PAGES else f"by {document['reader']}"
        )
    columns, span = packing["columns"], packing["pat_nums_per_column"]
    return f"in one statement: {format_count(columns, 'column')} a row, {format_count(span, 'PatNum')} a column"
