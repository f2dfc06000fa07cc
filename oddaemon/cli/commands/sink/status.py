"""`sink status`: the deliveries to each sink, read from the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.offline_commands import require_sink
from oddaemon.cli.args import completion
from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.formatting import format_relative
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.database import read_database
from oddaemon.core.delivery import DeliveryState, SinkState
from oddaemon.core.reporting.formatting import format_duration, format_instant
from oddaemon.settings import Settings, SinkSettings
from oddaemon.store import outbox
from oddaemon.store.database import Database
from oddaemon.store.outbox import DeliveryRow

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


app = typer.Typer()


@app.command(epilog=format_examples("oddaemon sink status", "oddaemon sink status warehouse --json"))
def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SINK", help="Show only this sink, office by office.", autocompletion=completion.complete_sinks
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    settings = load_settings(config)
    if name is not None:
        _require_known_sink(name, [each.name for each in settings.sinks])
    sinks = read_database(settings, lambda db: _read_sinks(db, settings)) if settings.sinks else []
    sinks = [each for each in sinks if name in {None, each.settings.name}]
    if as_json:
        print_json({"sinks": [_make_document(each) for each in sinks]})
        return
    if not sinks:
        typer.echo("No sink is configured. Add a [[sink]] table to the configuration.")
        return
    now, console = datetime.now(UTC), Console()
    print_table(TextTable(COLUMNS, [_format_sink_row(each, now) for each in sinks]), console)
    if name is not None:
        [only] = sinks
        print_table(TextTable(OFFICE_COLUMNS, [_format_office_row(only, row, now) for row in only.rows]), console)


def _require_known_sink(name: str, names: Sequence[str]) -> None:
    try:
        require_sink(name, names)
    except CommandRejected as rejection:
        raise fail(f"{rejection.sentence} {rejection.advice}") from None


@dataclass(frozen=True, slots=True)
class _SinkOverview:
    """The deliveries of one sink."""

    settings: SinkSettings
    offices: int
    rows: Sequence[DeliveryRow]
    state: SinkState

    @property
    def due(self) -> list[DeliveryRow]:
        return [row for row in self.rows if row.state is DeliveryState.DUE]

    @property
    def dead(self) -> list[DeliveryRow]:
        """Failed deliveries that no later one of the same office has replaced, oldest failure first."""
        return sorted((row for row in self.rows if row.state is DeliveryState.DEAD), key=_get_ended_at)

    def count_offices(self, state: DeliveryState) -> int:
        """How many offices have their last delivery in this state."""
        return sum(row.state is state for row in {row.office_id: row for row in self.rows}.values())

    @property
    def last_failure(self) -> DeliveryRow | None:
        """The oldest pending delivery with an error, else the last one that ended with an error."""
        waiting = [row for row in self.due if row.error]
        finished = sorted((row for row in self.rows if row.error and row.ended_at), key=_get_ended_at)
        return next(iter([*waiting, *reversed(finished)]), None)

    def get_next_attempt(self, row: DeliveryRow) -> datetime:
        return max(row.delivery.not_before, self.state.not_before or row.delivery.not_before)


def _get_ended_at(row: DeliveryRow) -> datetime:
    return row.ended_at or row.delivery.queued_at


async def _read_sinks(database: Database, settings: Settings) -> list[_SinkOverview]:
    rows = await outbox.list_deliveries(database)
    states = await outbox.load_sink_states(database)
    offices = [each.spec for each in settings.offices.values()]
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
        sink.settings.kind,
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
        "kind": sink.settings.kind,
        "content": sink.settings.get_content().value,
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
