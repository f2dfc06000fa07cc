"""`reload`: have the daemon read its configuration again."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Annotated

import typer

from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.daemon_client import ControlResponse, request_or_exit, require_control_socket
from oddaemon.core.config_diff import ConfigDiff, parse_config_diff
from oddaemon.settings.files.problem import parse_problem

OFFICES_SHOWN_MAX = 20
"""Offices listed per kind of change; --json lists all."""

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon check --plan", "oddaemon reload"))
def reload(
    config: Config = None,
    as_json: AsJson = False,
    accept_removals: Annotated[
        bool,
        typer.Option("--accept-removals", help="Apply it even if it removes more than half of the offices."),
    ] = False,
) -> None:
    """A configuration that would remove more than half of the offices at once, and
    more than three, is refused without --accept-removals: most often a directory
    is not mounted, or a tool wrote an empty file.
    """
    target = "/reload?accept_removals=true" if accept_removals else "/reload"
    print_reload(request_or_exit(require_control_socket(find_config(config)), target), as_json=as_json)


def print_reload(response: ControlResponse, *, as_json: bool) -> None:
    """Write the response to `/reload` or `/plan`; a rejection ends the command with all problems."""
    document = response.document
    if response.status != HTTPStatus.OK:
        if as_json:
            print_json(document)
        else:
            for problem in document.get("problems", ()):
                typer.echo(str(parse_problem(problem)), err=True)
        is_invalid = response.status == HTTPStatus.UNPROCESSABLE_ENTITY
        raise fail(response.error_message, ExitStatus.BAD_CONFIGURATION if is_invalid else ExitStatus.FAILED)
    if as_json:
        print_json(document)
        return
    for warning in document["warnings"]:
        typer.echo(f"warning: {parse_problem(warning)}", err=True)
    typer.echo(document["outcome"])
    for line in format_config_diff(parse_config_diff(document["plan"])):
        typer.echo(line)


def format_config_diff(diff: ConfigDiff) -> Iterator[str]:
    """A line for each office that is new, changed or removed."""
    yield from _format_offices("new", diff.new)
    changed = (
        f"{each.office}: {', '.join(each.settings)}{'' if each.restarts_worker else ' (its worker keeps running)'}"
        for each in diff.changed
    )
    yield from _format_offices("changed", changed)
    yield from _format_offices("removed", (f"{office}, its data is kept" for office in diff.removed))


def _format_offices(change: str, offices: Iterable[str]) -> Iterator[str]:
    listed = list(offices)
    for office in listed[:OFFICES_SHOWN_MAX]:
        yield f"  {change:<8} {office}"
    if len(listed) > OFFICES_SHOWN_MAX:
        yield f"  {change:<8} and {len(listed) - OFFICES_SHOWN_MAX:,} more; --json lists all"
