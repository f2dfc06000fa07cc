"""`office pause|resume|sync|accept`: commands to the running daemon about offices."""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from oddaemon.cli.args.options import AsJson, Config, make_office_argument, parse_label_options
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.sources.config_file import find_config, load_settings
from oddaemon.cli.sources.daemon_client import ControlResponse, make_target, request_or_exit, require_control_socket
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import try_load

NO_OP_REASONS = {"pause": "paused already", "resume": "not paused"}
"""Why a command for many offices has nothing to do for some of them."""

OfficeIds = Annotated[list[str] | None, make_office_argument("The offices' ids.")]
AllOffices = Annotated[bool, typer.Option("--all", help="All enabled offices.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Offices with this label; repeated, all must match."),
]

app = typer.Typer()


def _add_command(name: str, *examples: str) -> None:
    """A command for the offices that are named, or selected by --all or --label."""

    @app.command(name, epilog=format_examples(*examples))
    def send(
        offices: OfficeIds = None,
        all_offices: AllOffices = False,
        label: Labels = None,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        _send_command(name, config, offices or [], all_offices=all_offices, labels=label or [], as_json=as_json)


_add_command(
    "pause",
    "oddaemon office pause elm",
    "oddaemon office pause --label group=coast",
)
_add_command(
    "resume",
    "oddaemon office resume elm",
    "oddaemon office resume --all",
)
_add_command(
    "sync",
    "oddaemon office sync elm oak",
    "oddaemon office sync --all",
)


@app.command(epilog=format_examples("oddaemon office accept bright-smiles"))
def accept(offices: OfficeIds = None, config: Config = None, as_json: AsJson = False) -> None:
    _send_command("accept", config, offices or [], as_json=as_json)


def _send_command(
    command: str,
    config: Path | None,
    ids: Sequence[str],
    *,
    all_offices: bool = False,
    labels: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Send a command about each office; exit with 1 if the daemon rejected any.

    For offices selected by --all or --label, having nothing to do is no failure.
    """
    config_path = find_config(config)
    selected = _select_offices(config_path, ids, all_offices=all_offices, labels=labels)
    socket = require_control_socket(config_path)
    is_single, documents, rejected, no_ops = len(ids) == 1, list[dict[str, Any]](), False, 0
    for office in selected:
        response = request_or_exit(socket, make_target("offices", office, command))
        if not ids and response.document.get("nothing_to_do"):
            no_ops += 1
            documents.append({"office": office, "outcome": response.document["error"], "nothing_to_do": True})
            continue
        documents.append({"office": office, **response.document})
        if response.status != HTTPStatus.OK:
            rejected = True
            typer.echo(f"oddaemon: {_format_rejection(config_path, office, response)}", err=True)
        elif not as_json:
            typer.echo(response.document["outcome"] if is_single else f"{office}: {response.document['outcome']}")
    if as_json and not (is_single and rejected):
        print_json(documents[0] if is_single else {"offices": documents}, indent=None)
    elif no_ops:
        typer.echo(
            f"Nothing to do for {no_ops:,} of {format_count(len(selected), 'office')}: {NO_OP_REASONS[command]}."
        )
    if rejected:
        raise typer.Exit(ExitStatus.FAILED)


def _select_offices(config: Path, ids: Sequence[str], *, all_offices: bool, labels: Sequence[str]) -> list[str]:
    """The ids as given, or those that --all or --label select, in the order of the configuration."""
    if bool(ids) == (all_offices or bool(labels)):
        raise typer.BadParameter("name offices, or select them with --all or --label.", param_hint="OFFICE")
    if ids:
        return list(dict.fromkeys(ids))
    required_labels = parse_label_options(labels)
    offices = [each.spec for each in load_settings(config).offices.values() if each.spec.enabled]
    selected = [office.id for office in offices if required_labels <= set(office.labels)]
    if not selected:
        raise fail("no enabled office matches; `oddaemon office list` lists all offices")
    return selected


def _format_rejection(config: Path, office: str, response: ControlResponse) -> str:
    if response.status == HTTPStatus.NOT_FOUND and office in _read_configured_ids(config):
        return f"the daemon does not watch {office!r} yet, but it is configured; run `oddaemon reload`"
    return response.error_message


def _read_configured_ids(config: Path) -> set[str]:
    settings = try_load(config).settings
    return set(settings.offices) if settings else set()
