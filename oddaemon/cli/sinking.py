"""`sink status|retry|skip`: the outbox, read from the database; orders go through the daemon where one runs.

Without a daemon an order is carried out in the database itself, under the lock that keeps a daemon from starting
meanwhile.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import anyio
import typer
from rich.console import Console

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.offline_commands import require_sink, retry_deliveries, skip_delivery
from oddaemon.cli.commands.office import print_document
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.formatting import format_duration, format_relative
from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import find_config, load_settings
from oddaemon.cli.sources.daemon_client import DaemonNotRunning, request, require_control_socket
from oddaemon.core.delivery import DeliveryState, SinkState
from oddaemon.core.reporting.status_document import format_instant
from oddaemon.settings import Settings, SinkSettings
from oddaemon.store import outbox
from oddaemon.store.errors import StoreError
from oddaemon.store.outbox import DeliveryRow
from oddaemon.store.sqlite.connection import SqliteDatabase

COLUMNS = (
    TableColumn("sink"),
    TableColumn("kind"),
    TableColumn("offices", right_aligned=True),
    TableColumn("delivered", right_aligned=True),
    TableColumn("due", right_aligned=True),
    TableColumn("dead", right_aligned=True),
    TableColumn("oldest"),
    TableColumn("next try"),
    TableColumn("last error", wraps=True),
)
OFFICE_COLUMNS = (
    TableColumn("office"),
    TableColumn("snapshot", right_aligned=True),
    TableColumn("state"),
    TableColumn("refusals", right_aligned=True),
    TableColumn("queued"),
    TableColumn("next try"),
    TableColumn("error", wraps=True),
)


@dataclass(frozen=True, slots=True)
class _SinkOverview:
    """How one sink stands."""

    settings: SinkSettings
    offices: int
    rows: Sequence[DeliveryRow]
    state: SinkState

    @property
    def due(self) -> list[DeliveryRow]:
        return [row for row in self.rows if row.state is DeliveryState.DUE]

    @property
    def dead(self) -> list[DeliveryRow]:
        """What was given up, and no later delivery of the same office has made good, in the order of that."""
        return sorted((row for row in self.rows if row.state is DeliveryState.DEAD), key=_get_ended_at)

    def count_offices(self, state: DeliveryState) -> int:
        """Of how many offices the last delivery is so."""
        return sum(row.state is state for row in {row.office_id: row for row in self.rows}.values())

    @property
    def last_failure(self) -> DeliveryRow | None:
        """What tells why the sink takes nothing: the oldest refused one that waits, or else the last that is over."""
        waiting = [row for row in self.due if row.error]
        finished = sorted((row for row in self.rows if row.error and row.ended_at), key=_get_ended_at)
        return next(iter([*waiting, *reversed(finished)]), None)

    def get_next_attempt(self, row: DeliveryRow) -> datetime:
        return max(row.delivery.not_before, self.state.not_before or row.delivery.not_before)


def _get_ended_at(row: DeliveryRow) -> datetime:
    return row.ended_at or row.delivery.queued_at


def show_sinks(config: Path | None, name: str | None, *, as_json: bool) -> None:
    """Write how the sinks stand; whatever keeps that from being known ends the command."""
    settings = load_settings(config)
    names = [each.name for each in settings.sinks]
    if name is not None:
        _require_known_sink(name, names)
    if not names:
        typer.echo(
            json.dumps({"sinks": []}) if as_json else "No sink is configured; [[sink]] in the configuration adds one."
        )
        return
    try:
        sinks = [each for each in anyio.run(_read_sinks, settings) if name in {None, each.settings.name}]
    except StoreError as error:
        raise fail(str(error)) from error
    if as_json:
        typer.echo(json.dumps({"sinks": [_make_document(each) for each in sinks]}, indent=2, ensure_ascii=False))
        return
    now, console = datetime.now(UTC), Console()
    print_table(TextTable(COLUMNS, [_format_sink_row(each, now) for each in sinks]), console)
    if name is not None:
        [only] = sinks
        print_table(TextTable(OFFICE_COLUMNS, [_format_office_row(only, row, now) for row in only.rows]), console)


def send_sink_command(config: Path | None, command: str, name: str, office: str | None, *, as_json: bool) -> None:
    """Give an order about a sink; what is in the way ends the command."""
    config_path = find_config(config)
    target = f"/sinks/{quote(name, safe='', errors='replace')}/{command}"
    query = f"?{urlencode({'office': office})}" if office else ""
    try:
        response = request(require_control_socket(config_path), "POST", target + query)
    except DaemonNotRunning:
        document = _run_without_daemon(config_path, command, name, office)
    else:
        if response.status != HTTPStatus.OK:
            raise fail(response.error_message)
        document = response.document
    if as_json:
        print_document(document)
    else:
        typer.echo(document["outcome"])


def _run_without_daemon(config_path: Path, command: str, name: str, office: str | None) -> dict[str, Any]:
    settings = load_settings(config_path)
    _require_known_sink(name, [each.name for each in settings.sinks])
    if not settings.state.path.exists():
        raise fail(f"there is no database at {settings.state.path}, so nothing waits; start the daemon first")

    async def run_command() -> dict[str, Any]:
        async with SqliteDatabase.open(settings.state.database) as database:
            now = datetime.now(UTC)
            perform = retry_deliveries if command == "retry" else skip_delivery
            return dict(await perform(database, name, office, now))

    try:
        document = anyio.run(run_command)
    except CommandRejected as rejection:
        raise fail(f"{rejection.sentence} {rejection.advice}".strip()) from None
    except StoreError as error:
        raise fail(str(error)) from error
    outcome = f"{document['outcome']} The daemon is not running: it is done once it does."
    return {**document, "outcome": outcome}


def _require_known_sink(name: str, names: Sequence[str]) -> None:
    try:
        require_sink(name, names)
    except CommandRejected as rejection:
        raise fail(f"{rejection.sentence} {rejection.advice}") from None


async def _read_sinks(settings: Settings) -> list[_SinkOverview]:
    async with SqliteDatabase.open_for_reading(settings.state.database) as database:
        rows = await outbox.list_deliveries(database)
        states = await outbox.load_sink_states(database)
    offices = [each.office for each in settings.offices]
    return [
        _SinkOverview(
            sink,
            sum(sink.matches_office(office) for office in offices),
            [row for row in rows if row.sink == sink.name],
            states.get(sink.name, SinkState()),
        )
        for sink in settings.sinks
    ]


def _format_sink_row(sink: _SinkOverview, now: datetime) -> list[str]:
    due, dead = sink.due, sink.dead
    oldest = min((row.delivery.queued_at for row in due), default=None)
    next_attempt = min(map(sink.get_next_attempt, due), default=None)
    return [
        sink.settings.name,
        sink.settings.table.kind,
        str(sink.offices),
        str(sink.count_offices(DeliveryState.DONE)),
        str(len(due)),
        f"{len(dead)} since {_get_ended_at(dead[0]).astimezone():%Y-%m-%d}" if dead else "0",
        "-" if oldest is None else format_duration(now - oldest),
        "-" if next_attempt is None else format_relative(next_attempt, now),
        _format_last_error(sink.last_failure, now),
    ]


def _format_last_error(row: DeliveryRow | None, now: datetime) -> str:
    if row is None or row.error is None:
        return "-"
    return row.error if row.ended_at is None else f"{format_duration(now - row.ended_at)} ago: {row.error}"


def _format_office_row(sink: _SinkOverview, row: DeliveryRow, now: datetime) -> list[str]:
    is_due = row.state is DeliveryState.DUE
    return [
        row.office_id,
        str(row.delivery.snapshot_id),
        row.state.value,
        str(row.delivery.attempts),
        f"{format_duration(now - row.delivery.queued_at)} ago",
        format_relative(sink.get_next_attempt(row), now) if is_due else "-",
        row.error or "-",
    ]


def _make_document(sink: _SinkOverview) -> dict[str, object]:
    due, dead, last_failure = sink.due, sink.dead, sink.last_failure
    return {
        "sink": sink.settings.name,
        "kind": sink.settings.table.kind,
        "content": sink.settings.content.value,
        "offices": sink.offices,
        "delivered": sink.count_offices(DeliveryState.DONE),
        "due": len(due),
        "dead": len(dead),
        "dead_first_at": format_instant(_get_ended_at(dead[0])) if dead else None,
        "dead_last_at": format_instant(_get_ended_at(dead[-1])) if dead else None,
        "skipped": sink.count_offices(DeliveryState.SKIPPED),
        "failures_in_a_row": sink.state.failures,
        "error": last_failure and last_failure.error,
        "error_at": format_instant(last_failure.ended_at) if last_failure and last_failure.ended_at else None,
        "deliveries": [
            {
                "office": row.office_id,
                "delivery_id": row.delivery.delivery_id,
                "snapshot": row.delivery.snapshot_id,
                "state": row.state.value,
                "failed_attempts": row.delivery.attempts,
                "queued_at": format_instant(row.delivery.queued_at),
                "not_before": format_instant(sink.get_next_attempt(row)) if row.state is DeliveryState.DUE else None,
                "ended_at": None if row.ended_at is None else format_instant(row.ended_at),
                "error": row.error,
            }
            for row in sink.rows
        ],
    }
