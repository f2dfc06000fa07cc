"""A progress bar for each order for a past day, until all are over."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from oddaemon.cli.asking import order
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.core.backfill import Stage

LOOK_SECONDS = 0.5
"""Between two looks how far the orders are: often enough for a bar that moves, nothing for the daemon."""

Document = Mapping[str, Any]


def watched(socket: Path, office: str, days: Sequence[date]) -> list[Document]:
    """The orders once all are over. Ctrl-C leaves them to the daemon."""
    console = Console(stderr=True)
    # What an order met may name `[sftp]`: square brackets are no markup.
    told, measure = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[far]}"))
    columns = (told, BarColumn(), measure, TimeRemainingColumn())
    wanted = {day.isoformat() for day in days}
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            tasks = {day: progress.add_task(f"{office} {day}", total=None, far="") for day in sorted(wanted)}
            while True:
                found = _of(order(socket, "/backfills", "GET").document, office, wanted)
                for document in found:
                    _show(progress, tasks[document["as_of"]], document)
                if all(each["stage"] != Stage.OPEN for each in found):
                    return found
                # The control socket answers questions and sends nothing by itself; Ctrl-C ends a sleep.
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        typer.echo(
            "It goes on in the daemon. The same command shows again how far it is; "
            f"`oddaemon backfill {office} --cancel` ends it.",
            err=True,
        )
        raise typer.Exit(ExitStatus.DONE) from None


def far(document: Document, now: datetime) -> str:
    """How far an order is, in the measure of its way: requests of about how many, or for how long it is at a step."""
    if document["step"] is not None:
        since = now - datetime.fromisoformat(document["step_since"])
        return f"{document['step']}, {timedelta(seconds=max(0, round(since.total_seconds())))}"
    if document["stage"] != Stage.OPEN or document["requests"] is None:
        return str(document["stage"])
    expected = document["requests_expected"]
    of = "" if expected is None else f"/{max(expected, document['requests']):,}"
    return f"{document['requests']:,}{of} requests"


def _of(answer: Document, office: str, days: set[str]) -> list[Document]:
    return [each for each in answer["backfills"] if each["office"] == office and each["as_of"] in days]


def _show(progress: Progress, task: TaskID, document: Document) -> None:
    done, total = document["requests"] or 0, document["requests_expected"]
    if document["stage"] == Stage.DONE:
        total = done = max(done, total or 1)
    elif total is not None:
        total = max(total, done)
    why = f": {document['why']}" if document["why"] else ""
    description = f"{document['office']} {document['as_of']}{why}"
    progress.update(task, completed=done, total=total, description=description, far=far(document, datetime.now(UTC)))
