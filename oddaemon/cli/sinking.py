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

from oddaemon.cli.asking import NotRunningError, reply_of, socket_of
from oddaemon.cli.configuration import find, settings_of
from oddaemon.cli.failing import failure
from oddaemon.cli.ordering import tell
from oddaemon.cli.sheet import Column, Sheet, show
from oddaemon.cli.words import ahead, duration
from oddaemon.core.delivery import DeliveryState, SinkStanding
from oddaemon.core.status import instant
from oddaemon.engine.sink_orders import require_known, retry, skip
from oddaemon.settings import Settings, SinkSettings
from oddaemon.store import deliveries
from oddaemon.store.database import Database
from oddaemon.store.deliveries import DeliveryRow
from oddaemon.store.errors import StoreError
from oddaemon.web.control import OrderRefused

COLUMNS = (
    Column("sink"),
    Column("kind"),
    Column("offices", right=True),
    Column("delivered", right=True),
    Column("due", right=True),
    Column("dead", right=True),
    Column("oldest"),
    Column("next try"),
    Column("last error", wraps=True),
)
OFFICE_COLUMNS = (
    Column("office"),
    Column("snapshot", right=True),
    Column("state"),
    Column("refusals", right=True),
    Column("queued"),
    Column("next try"),
    Column("error", wraps=True),
)


@dataclass(frozen=True, slots=True)
class _Sink:
    """How one sink stands."""

    settings: SinkSettings
    offices: int
    rows: Sequence[DeliveryRow]
    standing: SinkStanding

    @property
    def due(self) -> list[DeliveryRow]:
        return [row for row in self.rows if row.state is DeliveryState.DUE]

    @property
    def dead(self) -> list[DeliveryRow]:
        """What was given up, and no later delivery of the same office has made good, in the order of that."""
        return sorted((row for row in self.rows if row.state is DeliveryState.DEAD), key=_ended)

    def count(self, state: DeliveryState) -> int:
        """Of how many offices the last delivery is so."""
        return sum(row.state is state for row in {row.office_id: row for row in self.rows}.values())

    @property
    def refused(self) -> DeliveryRow | None:
        """What tells why the sink takes nothing: the oldest refused one that waits, or else the last that is over."""
        waiting = [row for row in self.due if row.error]
        over = sorted((row for row in self.rows if row.error and row.ended_at), key=_ended)
        return next(iter([*waiting, *reversed(over)]), None)

    def next_try(self, row: DeliveryRow) -> datetime:
        return max(row.delivery.not_before, self.standing.not_before or row.delivery.not_before)


def _ended(row: DeliveryRow) -> datetime:
    return row.ended_at or row.delivery.queued_at


def show_sinks(config: Path | None, name: str | None, *, as_json: bool) -> None:
    """Write how the sinks stand; whatever keeps that from being known ends the command."""
    settings = settings_of(config)
    known = [each.name for each in settings.sinks]
    if name is not None:
        _require(name, known)
    if not known:
        typer.echo(
            json.dumps({"sinks": []}) if as_json else "No sink is configured; [[sink]] in the configuration adds one."
        )
        return
    try:
        sinks = [each for each in anyio.run(_read, settings) if name in {None, each.settings.name}]
    except StoreError as error:
        raise failure(str(error)) from error
    if as_json:
        typer.echo(json.dumps({"sinks": [_document(each) for each in sinks]}, indent=2, ensure_ascii=False))
        return
    now, console = datetime.now(UTC), Console()
    show(Sheet(COLUMNS, [_row(each, now) for each in sinks]), console)
    if name is not None:
        [only] = sinks
        show(Sheet(OFFICE_COLUMNS, [_office_row(only, row, now) for row in only.rows]), console)


def order_sink(config: Path | None, command: str, name: str, office: str | None, *, as_json: bool) -> None:
    """Give an order about a sink; what is in the way ends the command."""
    place = find(config)
    target = f"/sinks/{quote(name, safe='', errors='replace')}/{command}"
    query = f"?{urlencode({'office': office})}" if office else ""
    try:
        reply = reply_of(socket_of(place), "POST", target + query)
    except NotRunningError:
        document = _carried_out(place, command, name, office)
    else:
        if reply.status != HTTPStatus.OK:
            raise failure(reply.refusal)
        document = reply.document
    if as_json:
        tell(document)
    else:
        typer.echo(document["outcome"])


def _carried_out(place: Path, command: str, name: str, office: str | None) -> dict[str, Any]:
    settings = settings_of(place)
    _require(name, [each.name for each in settings.sinks])
    if not settings.state.path.exists():
        raise failure(f"there is no database at {settings.state.path}, so nothing waits; start the daemon first")

    async def carry_out() -> dict[str, Any]:
        async with Database.open(settings.state.database) as database:
            now = datetime.now(UTC)
            perform = retry if command == "retry" else skip
            return dict(await perform(database, name, office, now))

    try:
        document = anyio.run(carry_out)
    except OrderRefused as refusal:
        raise failure(f"{refusal.sentence} {refusal.advice}".strip()) from None
    except StoreError as error:
        raise failure(str(error)) from error
    outcome = f"{document['outcome']} The daemon is not running: it is done once it does."
    return {**document, "outcome": outcome}


def _require(name: str, known: Sequence[str]) -> None:
    try:
        require_known(name, known)
    except OrderRefused as refusal:
        raise failure(f"{refusal.sentence} {refusal.advice}") from None


async def _read(settings: Settings) -> list[_Sink]:
    async with Database.open_for_reading(settings.state.database) as database:
        rows = await deliveries.overview(database)
        standings = await deliveries.standings(database)
    offices = [each.office for each in settings.offices]
    return [
        _Sink(
            sink,
            sum(sink.wants(office) for office in offices),
            [row for row in rows if row.sink == sink.name],
            standings.get(sink.name, SinkStanding()),
        )
        for sink in settings.sinks
    ]


def _row(sink: _Sink, now: datetime) -> list[str]:
    due, dead = sink.due, sink.dead
    oldest = min((row.delivery.queued_at for row in due), default=None)
    next_try = min(map(sink.next_try, due), default=None)
    return [
        sink.settings.name,
        sink.settings.table.kind,
        str(sink.offices),
        str(sink.count(DeliveryState.DONE)),
        str(len(due)),
        f"{len(dead)} since {_ended(dead[0]).astimezone():%Y-%m-%d}" if dead else "0",
        "-" if oldest is None else duration(now - oldest),
        "-" if next_try is None else ahead(next_try, now),
        _why(sink.refused, now),
    ]


def _why(row: DeliveryRow | None, now: datetime) -> str:
    if row is None or row.error is None:
        return "-"
    return row.error if row.ended_at is None else f"{duration(now - row.ended_at)} ago: {row.error}"


def _office_row(sink: _Sink, row: DeliveryRow, now: datetime) -> list[str]:
    is_due = row.state is DeliveryState.DUE
    return [
        row.office_id,
        str(row.delivery.snapshot_id),
        row.state.value,
        str(row.delivery.attempts),
        f"{duration(now - row.delivery.queued_at)} ago",
        ahead(sink.next_try(row), now) if is_due else "-",
        row.error or "-",
    ]


def _document(sink: _Sink) -> dict[str, object]:
    due, dead, refused = sink.due, sink.dead, sink.refused
    return {
        "sink": sink.settings.name,
        "kind": sink.settings.table.kind,
        "content": sink.settings.content.value,
        "offices": sink.offices,
        "delivered": sink.count(DeliveryState.DONE),
        "due": len(due),
        "dead": len(dead),
        "dead_since": instant(_ended(dead[0])) if dead else None,
        "dead_last": instant(_ended(dead[-1])) if dead else None,
        "skipped": sink.count(DeliveryState.SKIPPED),
        "failures_in_a_row": sink.standing.failures,
        "error": refused and refused.error,
        "error_at": instant(refused.ended_at) if refused and refused.ended_at else None,
        "deliveries": [
            {
                "office": row.office_id,
                "delivery_id": row.delivery.delivery_id,
                "snapshot": row.delivery.snapshot_id,
                "state": row.state.value,
                "refusals": row.delivery.attempts,
                "queued_at": instant(row.delivery.queued_at),
                "not_before": instant(sink.next_try(row)) if row.state is DeliveryState.DUE else None,
                "ended_at": None if row.ended_at is None else instant(row.ended_at),
                "error": row.error,
            }
            for row in sink.rows
        ],
    }
