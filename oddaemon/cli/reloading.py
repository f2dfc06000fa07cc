"""`reload` and `check --plan`: what another configuration changes, done or only told."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import typer

from oddaemon.cli.asking import NotRunningError, Reply, order, reply_of, socket_of
from oddaemon.cli.checking import check_configuration
from oddaemon.cli.configuration import find, settings_of
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.fleet import read_with
from oddaemon.core.plan import Plan, plan_document, plan_of
from oddaemon.settings import Settings
from oddaemon.settings.problem import problem_of
from oddaemon.store import offices

SHOWN_MAX = 20
"""Offices of one kind that are named to a person; --json names all."""


def reload(config: Path | None, *, as_json: bool) -> None:
    """Have the daemon read its configuration again; a bad one ends the command with all of its problems."""
    reply = order(socket_of(find(config)), "/reload")
    _show(_accepted(reply, as_json=as_json), as_json=as_json)


def show_plan(config: Path | None, *, as_json: bool) -> None:
    """Write what a reload would do: by the running daemon's word, or, where none runs, by what the database knows."""
    place = find(config)
    try:
        reply = reply_of(socket_of(place), "GET", "/plan")
    except NotRunningError as error:
        _show_without_daemon(place, error.sentence, as_json=as_json)
        return
    _show(_accepted(reply, as_json=as_json), as_json=as_json)


def _accepted(reply: Reply, *, as_json: bool) -> dict[str, Any]:
    if reply.status == HTTPStatus.OK:
        return reply.document
    if as_json:
        typer.echo(json.dumps(reply.document, indent=2, ensure_ascii=False))
    else:
        for problem in reply.document.get("problems", ()):
            typer.echo(str(problem_of(problem)), err=True)
    bad = reply.status == HTTPStatus.UNPROCESSABLE_ENTITY
    raise failure(reply.refusal, ExitStatus.BAD_CONFIGURATION if bad else ExitStatus.FAILED)


def _show(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for warning in document["warnings"]:
        typer.echo(f"warning: {problem_of(warning)}", err=True)
    typer.echo(document["outcome"])
    for line in _lines(plan_of(document["plan"])):
        typer.echo(line)


def _show_without_daemon(config: Path, why: str, *, as_json: bool) -> None:
    """The offices alone can be compared: no setting of an office is kept in the database."""
    settings = settings_of(config)
    plan = _since_last_run(settings)
    if as_json:
        document = {
            "outcome": f"A start would bring: {plan.sentence}",
            "plan": plan_document(plan),
            "warnings": [],
            "note": why,
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    check_configuration(config, as_json=False)
    typer.echo(f"{why[:1].upper()}{why[1:]}.")
    typer.echo(f"By what the database knows, a start would bring: {plan.sentence}")
    for line in _lines(plan):
        typer.echo(line)


def _since_last_run(settings: Settings) -> Plan:
    wanted = [each.office.id for each in settings.offices]
    if not settings.state.path.exists():
        return Plan(new=tuple(wanted))
    known = [row.id for row in read_with(settings, offices.standings) if row.wanted]
    return Plan(
        new=tuple(office for office in wanted if office not in known),
        removed=tuple(office for office in known if office not in wanted),
        unchanged=len(set(wanted) & set(known)),
    )


def _lines(plan: Plan) -> Iterator[str]:
    yield from _named("new", plan.new)
    changed = (f"{each.office}: {', '.join(each.settings)}{_effect(each.is_disturbing)}" for each in plan.changed)
    yield from _named("changed", changed)
    yield from _named("removed", (f"{office}, its data is kept" for office in plan.removed))


def _effect(is_disturbing: bool) -> str:
    return "" if is_disturbing else " (only shown, its work goes on)"


def _named(what: str, offices: Iterable[str]) -> Iterator[str]:
    told = list(offices)
    for office in told[:SHOWN_MAX]:
        yield f"  {what:<8} {office}"
    if len(told) > SHOWN_MAX:
        yield f"  {what:<8} and {len(told) - SHOWN_MAX:,} more; --json names all"
