"""The commands about single offices: how they come, and orders to the running daemon.

Orders to the running daemon, and what keeps one from being carried out, told so that it can be.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import OFFICES_PANEL, AsJson, Config, format_examples
from oddaemon.cli.joining import register_onboarding
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.sources.config_file import find_config, load_settings
from oddaemon.cli.sources.daemon_client import ControlResponse, request_or_exit, require_control_socket
from oddaemon.settings import try_load

NO_OP_REASONS = {"pause": "paused already", "resume": "not paused"}
"""Why an order for many did not concern some of them."""


@dataclass(frozen=True, slots=True)
class OfficeSelector:
    """The offices that an order is for, as they were typed."""

    ids: Sequence[str]
    all_offices: bool = False
    labels: Sequence[str] = ()

    def resolve(self, config: Path) -> list[str]:
        """Their ids, in the order given or that of the configuration; what is amiss with them ends the command."""
        if self.ids and not (self.all_offices or self.labels):
            return list(dict.fromkeys(self.ids))
        if self.ids or not (self.all_offices or self.labels):
            raise typer.BadParameter("name offices, or choose them with --all or --label.", param_hint="OFFICE")
        for label in self.labels:
            if "=" not in label:
                raise typer.BadParameter(f"{label!r} is not KEY=VALUE.", param_hint="--label")
        required_labels = {tuple(label.split("=", 1)) for label in self.labels}
        offices = [each.office for each in load_settings(config).offices if each.office.enabled]
        ids = [office.id for office in offices if required_labels <= set(office.labels)]
        if not ids:
            raise fail("no office is chosen by that; `oddaemon status` lists all offices")
        return ids


def send_office_command(config: Path | None, command: str, selector: OfficeSelector, *, as_json: bool) -> None:
    """Give an order about each office; ends with 1 if any of them was refused.

    Where they were chosen by what they have in common, those that stand so already are no failure of the order.
    """
    config_path = find_config(config)
    ids = selector.resolve(config_path)
    socket = require_control_socket(config_path)
    is_single, documents, rejected, no_ops = len(selector.ids) == 1, list[dict[str, Any]](), False, 0
    for office in ids:
        response = request_or_exit(socket, f"/offices/{quote(office, safe='', errors='replace')}/{command}")
        if not selector.ids and response.document.get("nothing_to_do"):
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
        print_document(documents[0] if is_single else {"offices": documents})
    elif no_ops:
        typer.echo(f"Nothing to do for {no_ops:,} of {len(ids):,} offices: {NO_OP_REASONS[command]}.")
    if rejected:
        raise typer.Exit(ExitStatus.FAILED)


def drain_daemon(config: Path | None, *, as_json: bool) -> None:
    """Have the daemon end in good order; whatever is in the way ends the command."""
    response = request_or_exit(require_control_socket(find_config(config)), "/drain")
    if response.status != HTTPStatus.OK:
        raise fail(response.error_message)
    if as_json:
        print_document(response.document)
    else:
        typer.echo(response.document["outcome"])


def print_document(document: dict[str, Any]) -> None:
    """The daemon's own document, on one line."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def _format_rejection(config: Path, office: str, response: ControlResponse) -> str:
    if response.status == HTTPStatus.NOT_FOUND and office in _read_configured_ids(config):
        return f"no office {office!r} is at work; it stands in the configuration: `oddaemon reload` takes it up"
    return response.error_message


def _read_configured_ids(config: Path) -> set[str]:
    settings = try_load(config).settings
    return {each.office.id for each in settings.offices} if settings else set()


OfficeIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OFFICE", help="The offices' ids.", show_default=False, autocompletion=completion.complete_offices
    ),
]
AllOffices = Annotated[bool, typer.Option("--all", help="Every office that is not switched off.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Offices with this label; all of those given must fit."),
]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    office = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        epilog=format_examples("oddaemon office list", "oddaemon office add", "oddaemon office pause elm"),
    )
    register_onboarding(office)
    office.command(epilog=format_examples("oddaemon office pause elm", "oddaemon office pause --label group=coast"))(
        pause
    )
    office.command(epilog=format_examples("oddaemon office resume elm", "oddaemon office resume --all"))(resume)
    office.command(epilog=format_examples("oddaemon office sync elm oak", "oddaemon office sync --all"))(sync)
    office.command(epilog=format_examples("oddaemon office accept bright-smiles"))(accept)
    office.command(epilog=format_examples("oddaemon office forget bright-smiles"))(forget)
    app.add_typer(
        office, name="office", help="Offices: added, listed, and orders about them.", rich_help_panel=OFFICES_PANEL
    )


def pause(
    offices: OfficeIds = None,
    all_offices: AllOffices = False,
    label: Labels = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Leave offices alone from now on, also over a restart; what is published stays, what is under way ends first."""
    send_office_command(config, "pause", OfficeSelector(offices or (), all_offices, label or ()), as_json=as_json)


def resume(
    offices: OfficeIds = None,
    all_offices: AllOffices = False,
    label: Labels = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Watch paused offices again; they are asked at once."""
    send_office_command(config, "resume", OfficeSelector(offices or (), all_offices, label or ()), as_json=as_json)


def sync(
    offices: OfficeIds = None,
    all_offices: AllOffices = False,
    label: Labels = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask offices at once, whatever they wait for. Balances are read if aging has completed; what is fresh stays."""
    send_office_command(config, "sync", OfficeSelector(offices or (), all_offices, label or ()), as_json=as_json)


def accept(offices: OfficeIds = None, config: Config = None, as_json: AsJson = False) -> None:
    """Believe the balances that are held as implausible: the next reading of each office is published as it is."""
    send_office_command(config, "accept", OfficeSelector(offices or ()), as_json=as_json)


def forget(
    office: Annotated[
        str,
        typer.Argument(
            metavar="OFFICE",
            help="The office's id.",
            show_default=False,
            autocompletion=completion.complete_removed_offices,
        ),
    ],
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove everything that is stored of an office whose contract has ended, and prove that no byte of it is left.

    It must not be configured any more. A running daemon does it, and goes on:
    while the whole file is written anew, nothing else is stored, and what was
    read waits for it. Without one it is done by the command.
    """
    from oddaemon.cli.commands.office_forget import forget_office

    forget_office(config, office, yes=yes)
