"""`reload` and `check --plan`: what another configuration changes, done or only told."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import typer

from oddaemon.cli.commands.check import check_configuration
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.sources.config_file import find_config, load_settings
from oddaemon.cli.sources.daemon_client import (
    ControlResponse,
    DaemonNotRunning,
    request,
    request_or_exit,
    require_control_socket,
)
from oddaemon.cli.sources.fleet import read_database
from oddaemon.core.config_diff import ConfigDiff, make_config_diff_document, parse_config_diff
from oddaemon.settings import Settings
from oddaemon.settings.files.problem import parse_problem
from oddaemon.store import offices

OFFICES_SHOWN_MAX = 20
"""Offices of one kind that are named to a person; --json names all."""


def reload_daemon(config: Path | None, *, as_json: bool) -> None:
    """Have the daemon read its configuration again; a bad one ends the command with all of its problems."""
    response = request_or_exit(require_control_socket(find_config(config)), "/reload")
    _print_result(_require_success(response, as_json=as_json), as_json=as_json)


def show_plan(config: Path | None, *, as_json: bool) -> None:
    """Write what a reload would do: by the running daemon's word, or, where none runs, by what the database knows."""
    config_path = find_config(config)
    try:
        response = request(require_control_socket(config_path), "GET", "/plan")
    except DaemonNotRunning as error:
        _print_plan_without_daemon(config_path, error.message, as_json=as_json)
        return
    _print_result(_require_success(response, as_json=as_json), as_json=as_json)


def _require_success(response: ControlResponse, *, as_json: bool) -> dict[str, Any]:
    if response.status == HTTPStatus.OK:
        return response.document
    if as_json:
        typer.echo(json.dumps(response.document, indent=2, ensure_ascii=False))
    else:
        for problem in response.document.get("problems", ()):
            typer.echo(str(parse_problem(problem)), err=True)
    is_invalid = response.status == HTTPStatus.UNPROCESSABLE_ENTITY
    raise fail(response.error_message, ExitStatus.BAD_CONFIGURATION if is_invalid else ExitStatus.FAILED)


def _print_result(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for warning in document["warnings"]:
        typer.echo(f"warning: {parse_problem(warning)}", err=True)
    typer.echo(document["outcome"])
    for line in _format_diff(parse_config_diff(document["plan"])):
        typer.echo(line)


def _print_plan_without_daemon(config: Path, reason: str, *, as_json: bool) -> None:
    """The offices alone can be compared: no setting of an office is kept in the database."""
    settings = load_settings(config)
    diff = _diff_with_database(settings)
    if as_json:
        document = {
            "outcome": f"A start would bring: {diff.sentence}",
            "plan": make_config_diff_document(diff),
            "warnings": [],
            "note": reason,
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    check_configuration(config, as_json=False)
    typer.echo(f"{reason[:1].upper()}{reason[1:]}.")
    typer.echo(f"By what the database knows, a start would bring: {diff.sentence}")
    for line in _format_diff(diff):
        typer.echo(line)


def _diff_with_database(settings: Settings) -> ConfigDiff:
    configured = [each.office.id for each in settings.offices]
    if not settings.state.path.exists():
        return ConfigDiff(new=tuple(configured))
    stored = [row.id for row in read_database(settings, offices.list_all) if row.is_configured]
    return ConfigDiff(
        new=tuple(office for office in configured if office not in stored),
        removed=tuple(office for office in stored if office not in configured),
        unchanged=len(set(configured) & set(stored)),
    )


def _format_diff(diff: ConfigDiff) -> Iterator[str]:
    yield from _format_offices("new", diff.new)
    changed = (
        f"{each.office}: {', '.join(each.settings)}{_format_effect(each.restarts_worker)}" for each in diff.changed
    )
    yield from _format_offices("changed", changed)
    yield from _format_offices("removed", (f"{office}, its data is kept" for office in diff.removed))


def _format_effect(restarts_worker: bool) -> str:
    return "" if restarts_worker else " (only shown, its work goes on)"


def _format_offices(change: str, offices: Iterable[str]) -> Iterator[str]:
    listed = list(offices)
    for office in listed[:OFFICES_SHOWN_MAX]:
        yield f"  {change:<8} {office}"
    if len(listed) > OFFICES_SHOWN_MAX:
        yield f"  {change:<8} and {len(listed) - OFFICES_SHOWN_MAX:,} more; --json names all"
