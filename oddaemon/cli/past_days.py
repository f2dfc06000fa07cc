"""`backfill`: orders for past days, given, watched, cancelled and listed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console

from oddaemon.cli.asking import order, socket_of
from oddaemon.cli.configuration import find
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.past_days_bars import watched
from oddaemon.cli.sheet import Column, Sheet, show
from oddaemon.core.backfill import Stage, Via

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
    via, query = how
    asked = {"as_of": [day.isoformat() for day in days], "via": via.value, "query": query}
    documents: Sequence[Document] = _answered(socket, "POST", office, asked)["backfills"]
    if not as_json:
        for document in documents:
            typer.echo(document["outcome"], err=wait)
    if wait:
        documents = watched(socket, office, days)
    if as_json:
        typer.echo(json.dumps({"backfills": documents}, indent=2, ensure_ascii=False))
    _tell_what_is_wrong(documents)
    _require_all(office, days, documents)
    if wait and not as_json:
        for each in documents:
            typer.echo(f"{office} as of {each['as_of']} is there: `oddaemon balances {office} --as-of {each['as_of']}`")


def _tell_what_is_wrong(documents: Sequence[Document]) -> None:
    """On standard error; that a day is not to be had ends the command."""
    gone = [each for each in documents if each["stage"] in {Stage.FAILED, Stage.CANCELLED}]
    doubtful = [each for each in documents if each["warning"]]
    for each in (*gone, *doubtful):
        typer.echo(f"oddaemon: {each['office']} as of {each['as_of']}: {each['why'] or each['warning']}", err=True)
    if gone:
        raise typer.Exit(ExitStatus.FAILED)


def _require_all(office: str, days: Sequence[date], documents: Sequence[Document]) -> None:
    """Whatever takes an order off the list is not its end."""
    lost = [day for day in days if day.isoformat() not in {each["as_of"] for each in documents}]
    for day in lost:
        typer.echo(
            f"oddaemon: {office} as of {day}: The order is not there any more: the office was forgotten meanwhile.",
            err=True,
        )
    if lost:
        raise typer.Exit(ExitStatus.FAILED)


def cancel_days(config: Path | None, office: str, days: Sequence[date], *, as_json: bool) -> None:
    """End the open orders of an office, or those for these days."""
    answer = _answered(socket_of(find(config)), "DELETE", office, {"as_of": [day.isoformat() for day in days]})
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else answer["outcome"])


def _answered(socket: Path, method: str, office: str, asked: Mapping[str, object]) -> Document:
    target = f"/offices/{quote(office, safe='', errors='replace')}/backfill?{urlencode(asked, doseq=True)}"
    reply = order(socket, target, method)
    if reply.status != HTTPStatus.OK:
        raise failure(reply.refusal)
    return reply.document


def _row(document: Document) -> list[str]:
    return list(_cells(document))


def _cells(document: Document) -> Iterator[str]:
    for name in ("office", "as_of", "via", "stage"):
        yield str(document[name])
    for name in ("rows", "requests"):
        yield "-" if document[name] is None else f"{document[name]:,}"
    yield document["why"] or document["warning"] or document["step"] or ""
