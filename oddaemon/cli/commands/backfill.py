"""`backfill`: read past days through the daemon, with progress; list and cancel backfills."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import AsJson, Config, parse_date
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.output.json_document import print_json, print_outcome
from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.daemon_client import make_target, request_document, request_or_exit, require_control_socket
from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX
from oddaemon.core.backfill.job import BackfillMethod, JobState

POLL_INTERVAL_SECONDS = 0.5
"""Between two requests for progress."""

Document = Mapping[str, Any]


def wait_for_backfills(socket: Path, office: str, days: Sequence[date]) -> list[Document]:
    """The backfills, once all have ended. On Ctrl-C they continue in the daemon."""
    console = Console(stderr=True)
    # A reason may name `[sftp]`: square brackets are not markup.
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
                # The control socket does not push progress, so this polls; Ctrl-C ends the sleep.
                time.sleep(POLL_INTERVAL_SECONDS)
    except KeyboardInterrupt:
        typer.echo(
            "The backfill continues in the daemon. Run the same command to see its progress; "
            f"`oddaemon backfill {office} --cancel` stops it.",
            err=True,
        )
        raise typer.Exit(ExitStatus.DONE) from None


def format_progress(document: Document, now: datetime) -> str:
    """The progress of a backfill: requests of the expected number, or its step and for how long."""
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


app = typer.Typer()
COLUMNS = (
    TableColumn("office"),
    TableColumn("as of"),
    TableColumn("via"),
    TableColumn("stage"),
    TableColumn("rows", right_aligned=True),
    TableColumn("requests", right_aligned=True),
    TableColumn("why", wraps=True),
)


def _list_backfills(socket: Path, *, as_json: bool) -> None:
    document = request_or_exit(socket, "/backfills", "GET").document
    if as_json:
        print_json(document)
        return
    if document["backfills"]:
        print_table(TextTable(COLUMNS, [list(_format_cells(each)) for each in document["backfills"]]), Console())
    typer.echo(document["outcome"])


def _request_backfills(
    socket: Path, office: str, days: Sequence[date], parameters: Mapping[str, object], *, wait: bool, as_json: bool
) -> None:
    """Request the days of an office; with `wait`, until all have ended. Ends the command with 1 if one failed."""
    documents: Sequence[Document] = _send_request(socket, "POST", office, days, parameters)["backfills"]
    if not as_json:
        for document in documents:
            typer.echo(document["outcome"], err=wait)
    if wait:
        documents = wait_for_backfills(socket, office, days)
    if as_json:
        print_json({"backfills": documents})
    _report_problems(documents)
    _require_all_present(office, days, documents)
    if wait and not as_json:
        for each in documents:
            typer.echo(
                f"{office} as of {each['as_of']} is stored: `oddaemon balances {office} --as-of {each['as_of']}`"
            )


def _report_problems(documents: Sequence[Document]) -> None:
    """Write failures and warnings to standard error; a failure ends the command."""
    failed = [each for each in documents if each["stage"] in {JobState.FAILED, JobState.CANCELLED}]
    suspect = [each for each in documents if each["warning"]]
    for each in (*failed, *suspect):
        typer.echo(f"oddaemon: {each['office']} as of {each['as_of']}: {each['reason'] or each['warning']}", err=True)
    if failed:
        raise typer.Exit(ExitStatus.FAILED)


def _require_all_present(office: str, days: Sequence[date], documents: Sequence[Document]) -> None:
    """End the command if a backfill is no longer listed: it did not end, it was removed."""
    missing = [day for day in days if day.isoformat() not in {each["as_of"] for each in documents}]
    for day in missing:
        typer.echo(
            f"oddaemon: {office} as of {day}: the backfill no longer exists: the office was forgotten in the meantime.",
            err=True,
        )
    if missing:
        raise typer.Exit(ExitStatus.FAILED)


def _send_request(
    socket: Path, method: str, office: str, days: Sequence[date], parameters: Mapping[str, object]
) -> Document:
    as_of = [day.isoformat() for day in days]
    return request_document(socket, make_target("offices", office, "backfill", as_of=as_of, **parameters), method)


def _format_cells(document: Document) -> Iterator[str]:
    for name in ("office", "as_of", "via", "stage"):
        yield str(document[name])
    for name in ("rows", "requests"):
        yield "-" if document[name] is None else f"{document[name]:,}"
    yield document["reason"] or document["warning"] or _format_step(document["step"])


def _parse_date_option(text: str) -> date:
    if (day := parse_date(text)) is None:
        raise typer.BadParameter(f"{text!r} is not a date (2026-03-02).")
    return day


@app.command(
    epilog=format_examples(
        "oddaemon backfill bright-smiles --as-of 2025-12-31",
        "oddaemon backfill elm --as-of 2025-11-30 --as-of 2025-12-31 --no-wait",
        "oddaemon backfill",
        "oddaemon backfill bright-smiles --cancel",
    )
)
def backfill(
    *,
    office: Annotated[
        str | None,
        typer.Argument(
            metavar="OFFICE",
            help="The office's id; without it, list all backfills.",
            autocompletion=completion.complete_offices,
        ),
    ] = None,
    as_of: Annotated[
        list[date] | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            parser=_parse_date_option,
            help="The past day; may be repeated.",
            show_default=False,
        ),
    ] = None,
    via: Annotated[BackfillMethod, typer.Option(help="How the day is read.")] = BackfillMethod.REPORT,
    query: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with your SQL, for --via sftp.", exists=True, dir_okay=False, readable=True
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait and show progress.")] = True,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel the office's pending backfills, or with --as-of only those days.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    if (query is not None or via is not BackfillMethod.REPORT) and cancel:
        raise typer.BadParameter("cannot be combined with --via or --query.", param_hint="--cancel")
    if office is None and (cancel or as_of or query):
        raise typer.BadParameter("name the office.", param_hint="OFFICE")
    days = list(dict.fromkeys(as_of or ()))
    if office is None:
        _list_backfills(require_control_socket(find_config(config)), as_json=as_json)
    elif cancel:
        document = _send_request(require_control_socket(find_config(config)), "DELETE", office, days, {})
        print_outcome(document, as_json=as_json, indent=2)
    elif not days:
        raise typer.BadParameter("name a day as yyyy-mm-dd.", param_hint="--as-of")
    elif (query is None) is (via is BackfillMethod.SFTP):
        raise typer.BadParameter("--query requires --via sftp, and vice versa.", param_hint="--query")
    else:
        parameters = {"via": via.value, "query": "" if query is None else _read_sql(query)}
        socket = require_control_socket(find_config(config))
        _request_backfills(socket, office, days, parameters, wait=wait, as_json=as_json)


def _read_sql(path: Path) -> str:
    try:
        query = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is not UTF-8 text; save it as UTF-8.", param_hint="--query") from None
    if len(query) > QUERY_LENGTH_MAX:
        raise typer.BadParameter(f"{path} has more than {QUERY_LENGTH_MAX:,} characters.", param_hint="--query")
    return query
