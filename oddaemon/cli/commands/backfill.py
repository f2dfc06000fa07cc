"""The command that reads past days.

`backfill`: orders for past days, given, watched, cancelled and listed.

A progress bar for each order for a past day, until all are over.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import OFFICES_PANEL, AsJson, Config, format_examples, parse_date
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.daemon_client import request_or_exit, require_control_socket
from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX
from oddaemon.core.backfill.job import BackfillMethod, JobState

POLL_INTERVAL_SECONDS = 0.5
"""Between two looks how far the orders are: often enough for a bar that moves, nothing for the daemon."""

Document = Mapping[str, Any]


def wait_for_backfills(socket: Path, office: str, days: Sequence[date]) -> list[Document]:
    """The orders once all are over. Ctrl-C leaves them to the daemon."""
    console = Console(stderr=True)
    # What an order met may name `[sftp]`: square brackets are no markup.
    label, measure = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[far]}"))
    columns = (label, BarColumn(), measure, TimeRemainingColumn())
    dates = {day.isoformat() for day in days}
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            tasks = {day: progress.add_task(f"{office} {day}", total=None, far="") for day in sorted(dates)}
            while True:
                documents = _select_backfills(request_or_exit(socket, "/backfills", "GET").document, office, dates)
                for document in documents:
                    _update_bar(progress, tasks[document["as_of"]], document)
                if all(each["stage"] != JobState.OPEN for each in documents):
                    return documents
                # The control socket answers questions and sends nothing by itself; Ctrl-C ends a sleep.
                time.sleep(POLL_INTERVAL_SECONDS)
    except KeyboardInterrupt:
        typer.echo(
            "It goes on in the daemon. The same command shows again how far it is; "
            f"`oddaemon backfill {office} --cancel` ends it.",
            err=True,
        )
        raise typer.Exit(ExitStatus.DONE) from None


def format_progress(document: Document, now: datetime) -> str:
    """How far an order is, in the measure of its way: requests of about how many, or for how long it is at a step."""
    if document["step"] is not None:
        since = now - datetime.fromisoformat(document["step_since"])
        return f"{_format_step(document['step'])}, {timedelta(seconds=max(0, round(since.total_seconds())))}"
    if document["stage"] != JobState.OPEN or document["requests"] is None:
        return str(document["stage"])
    expected = document["requests_expected"]
    of = "" if expected is None else f"/{max(expected, document['requests']):,}"
    return f"{document['requests']:,}{of} requests"


def _format_step(step: str | None) -> str:
    return (step or "").replace("_", " ")


def _select_backfills(document: Document, office: str, days: set[str]) -> list[Document]:
    return [each for each in document["backfills"] if each["office"] == office and each["as_of"] in days]


def _update_bar(progress: Progress, task: TaskID, document: Document) -> None:
    done, total = document["requests"] or 0, document["requests_expected"]
    if document["stage"] == JobState.DONE:
        total = done = max(done, total or 1)
    elif total is not None:
        total = max(total, done)
    reason = f": {document['reason']}" if document["reason"] else ""
    description = f"{document['office']} {document['as_of']}{reason}"
    progress.update(
        task, completed=done, total=total, description=description, far=format_progress(document, datetime.now(UTC))
    )


COLUMNS = (
    TableColumn("office"),
    TableColumn("as of"),
    TableColumn("via"),
    TableColumn("stage"),
    TableColumn("rows", right_aligned=True),
    TableColumn("requests", right_aligned=True),
    TableColumn("why", wraps=True),
)


def list_backfills(config: Path | None, *, as_json: bool) -> None:
    """Write how every order stands."""
    document = request_or_exit(require_control_socket(find_config(config)), "/backfills", "GET").document
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if document["backfills"]:
        print_table(TextTable(COLUMNS, [_format_row(each) for each in document["backfills"]]), Console())
    typer.echo(document["outcome"])


def request_backfills(
    config: Path | None,
    office: str,
    days: Sequence[date],
    how: tuple[BackfillMethod, str],
    *,
    wait: bool,
    as_json: bool,
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
    socket = require_control_socket(find_config(config))
    via, query = how
    parameters = {"as_of": [day.isoformat() for day in days], "via": via.value, "query": query}
    documents: Sequence[Document] = _request_document(socket, "POST", office, parameters)["backfills"]
    if not as_json:
        for document in documents:
            typer.echo(document["outcome"], err=wait)
    if wait:
        documents = wait_for_backfills(socket, office, days)
    if as_json:
        typer.echo(json.dumps({"backfills": documents}, indent=2, ensure_ascii=False))
    _report_problems(documents)
    _require_all_present(office, days, documents)
    if wait and not as_json:
        for each in documents:
            typer.echo(f"{office} as of {each['as_of']} is there: `oddaemon balances {office} --as-of {each['as_of']}`")


def _report_problems(documents: Sequence[Document]) -> None:
    """On standard error; that a day is not to be had ends the command."""
    failed = [each for each in documents if each["stage"] in {JobState.FAILED, JobState.CANCELLED}]
    suspect = [each for each in documents if each["warning"]]
    for each in (*failed, *suspect):
        typer.echo(f"oddaemon: {each['office']} as of {each['as_of']}: {each['reason'] or each['warning']}", err=True)
    if failed:
        raise typer.Exit(ExitStatus.FAILED)


def _require_all_present(office: str, days: Sequence[date], documents: Sequence[Document]) -> None:
    """Whatever takes an order off the list is not its end."""
    missing = [day for day in days if day.isoformat() not in {each["as_of"] for each in documents}]
    for day in missing:
        typer.echo(
            f"oddaemon: {office} as of {day}: The order is not there any more: the office was forgotten meanwhile.",
            err=True,
        )
    if missing:
        raise typer.Exit(ExitStatus.FAILED)


def cancel_backfills(config: Path | None, office: str, days: Sequence[date], *, as_json: bool) -> None:
    """End the open orders of an office, or those for these days."""
    document = _request_document(
        require_control_socket(find_config(config)), "DELETE", office, {"as_of": [day.isoformat() for day in days]}
    )
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else document["outcome"])


def _request_document(socket: Path, method: str, office: str, parameters: Mapping[str, object]) -> Document:
    target = f"/offices/{quote(office, safe='', errors='replace')}/backfill?{urlencode(parameters, doseq=True)}"
    response = request_or_exit(socket, target, method)
    if response.status != HTTPStatus.OK:
        raise fail(response.error_message)
    return response.document


def _format_row(document: Document) -> list[str]:
    return list(_format_cells(document))


def _format_cells(document: Document) -> Iterator[str]:
    for name in ("office", "as_of", "via", "stage"):
        yield str(document[name])
    for name in ("rows", "requests"):
        yield "-" if document[name] is None else f"{document[name]:,}"
    yield document["reason"] or document["warning"] or _format_step(document["step"])


def _parse_date_option(text: str) -> date:
    if (day := parse_date(text)) is None:
        raise typer.BadParameter(f"{text!r} is no date (2026-03-02).")
    return day


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        rich_help_panel=OFFICES_PANEL,
        epilog=format_examples(
            "oddaemon backfill bright-smiles --as-of 2025-12-31",
            "oddaemon backfill elm --as-of 2025-11-30 --as-of 2025-12-31 --no-wait",
            "oddaemon backfill",
            "oddaemon backfill bright-smiles --cancel",
        ),
    )(backfill)


def backfill(
    *,
    office: Annotated[
        str | None,
        typer.Argument(
            metavar="OFFICE",
            help="The office's id; without one, every order is listed.",
            autocompletion=completion.complete_offices,
        ),
    ] = None,
    as_of: Annotated[
        list[date] | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            parser=_parse_date_option,
            help="The day; may be given again for several.",
            show_default=False,
        ),
    ] = None,
    via: Annotated[BackfillMethod, typer.Option(help="How it is read.")] = BackfillMethod.REPORT,
    query: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your SQL, for --via sftp.", exists=True, dir_okay=False, readable=True),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay and show how far it is.")] = True,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End the office's open orders, or with --as-of those for these days.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read an office's balances as of a past day, through the running daemon; the current ones are never disturbed."""
    if (query is not None or via is not BackfillMethod.REPORT) and cancel:
        raise typer.BadParameter("goes without --via and --query.", param_hint="--cancel")
    if office is None and (cancel or as_of or query):
        raise typer.BadParameter("name the office.", param_hint="OFFICE")
    if office is None:
        list_backfills(config, as_json=as_json)
        return
    days = list(dict.fromkeys(as_of or ()))
    if cancel:
        cancel_backfills(config, office, days, as_json=as_json)
        return
    if not days:
        raise typer.BadParameter("name a day, as yyyy-mm-dd.", param_hint="--as-of")
    if (query is None) is (via is BackfillMethod.SFTP):
        raise typer.BadParameter("goes with --via sftp, and that with it.", param_hint="--query")
    request_backfills(
        config, office, days, (via, "" if query is None else _read_sql(query)), wait=wait, as_json=as_json
    )


def _read_sql(path: Path) -> str:
    try:
        query = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is no UTF-8 text: save it as UTF-8.", param_hint="--query") from None
    if len(query) > QUERY_LENGTH_MAX:
        raise typer.BadParameter(f"{path} has more than {QUERY_LENGTH_MAX:,} characters.", param_hint="--query")
    return query
