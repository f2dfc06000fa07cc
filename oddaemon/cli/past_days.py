"""`backfill`: orders for past days, and a progress bar for each until it is over."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from oddaemon.cli.asking import order, socket_of
from oddaemon.cli.configuration import find
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.sheet import Column, Sheet, show
from oddaemon.core.backfill import Stage, Via

LOOK_SECONDS = 0.5
"""Between two looks how far the orders are: often enough for a bar that moves, nothing for the daemon."""
COLUMNS = (
    Column("office"),
    Column("as of"),
    Column("via"),
    Column("stage"),
    Column("rows", right=True),
    Column("requests", right=True),
    Column("why", wraps=True),
)

Document = Mapping[str, Any]


def list_orders(config: Path | None, *, as_json: bool) -> None:
    """Write how every order stands."""
    answer = order(socket_of(find(config)), "/backfills", "GET").document
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    if answer["backfills"]:
        show(Sheet(COLUMNS, [_row(each) for each in answer["backfills"]]), Console())
    typer.echo(answer["outcome"])


def order_days(
    config: Path | None, office: str, days: Sequence[date], how: tuple[Via, str], *, wait: bool, as_json: bool
) -> None:
    """Order the days of an office; with `wait`, stay until all are over, and end with 1 if one of them failed.

    Args:
        config: As given.
        office: Its id.
        days: Which.
        how: Via what, and the operator's SQL.
        wait: Whether to stay.
        as_json: One JSON document at the end.
    """
    socket = socket_of(find(config))
    documents = [_ordered(socket, office, day, how) for day in days]
    if not as_json:
        for document in documents:
            typer.echo(document["outcome"], err=wait)
    if wait:
        documents = _watched(socket, office, days)
    if as_json:
        typer.echo(json.dumps({"backfills": documents}, indent=2, ensure_ascii=False))
    failed = [each for each in documents if each["stage"] == Stage.FAILED]
    for each in failed:
        typer.echo(f"oddaemon: {office} as of {each['as_of']}: {each['why']}", err=True)
    if failed:
        raise typer.Exit(ExitStatus.FAILED)
    if wait and not as_json:
        for each in documents:
            typer.echo(f"{office} as of {each['as_of']} is there: `oddaemon balances {office} --as-of {each['as_of']}`")


def _ordered(socket: Path, office: str, day: date, how: tuple[Via, str]) -> Document:
    via, query = how
    asked = urlencode({"as_of": day.isoformat(), "via": via.value, "query": query})
    reply = order(socket, f"/offices/{quote(office, safe='', errors='replace')}/backfill?{asked}")
    if reply.status != HTTPStatus.OK:
        raise failure(reply.refusal)
    return reply.document


def _watched(socket: Path, office: str, days: Sequence[date]) -> list[Document]:
    """The orders once all are over. Ctrl-C leaves them to the daemon."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("requests"))
    wanted = {day.isoformat() for day in days}
    try:
        with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
            tasks = {day: progress.add_task(f"{office} {day}", total=None) for day in sorted(wanted)}
            while True:
                found = _of(order(socket, "/backfills", "GET").document, office, wanted)
                for document in found:
                    _show(progress, tasks[document["as_of"]], document)
                if all(each["stage"] != Stage.OPEN for each in found):
                    return found
                # The control socket answers questions and sends nothing by itself; Ctrl-C ends a sleep.
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        typer.echo("It goes on in the daemon; `oddaemon backfill` tells how far it is.", err=True)
        raise typer.Exit(ExitStatus.DONE) from None


def _of(answer: Document, office: str, days: set[str]) -> list[Document]:
    return [each for each in answer["backfills"] if each["office"] == office and each["as_of"] in days]


def _show(progress: Progress, task: TaskID, document: Document) -> None:
    done, total = document["requests"], document["requests_expected"]
    if document["stage"] == Stage.DONE:
        total = done = max(done, total or 1)
    elif total is not None:
        total = max(total, done)
    why = f": {document['why']}" if document["why"] else ""
    progress.update(task, completed=done, total=total, description=f"{document['office']} {document['as_of']}{why}")


def _row(document: Document) -> list[str]:
    return list(_cells(document))


def _cells(document: Document) -> Iterator[str]:
    for name in ("office", "as_of", "via", "stage"):
        yield str(document[name])
    for name in ("rows", "requests"):
        yield f"{document[name]:,}" if document[name] else "-"
    yield document["why"]
