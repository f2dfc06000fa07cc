"""Orders to the running daemon, and what keeps one from being carried out, told so that it can be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from oddaemon.cli.asking import Reply, order, socket_of
from oddaemon.cli.configuration import find, settings_of
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.settings import read

SO_ALREADY = {"pause": "paused already", "resume": "not paused"}
"""Why an order for many did not concern some of them."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The offices that an order is for, as they were typed."""

    ids: Sequence[str]
    everyone: bool = False
    labels: Sequence[str] = ()

    def resolved(self, config: Path) -> list[str]:
        """Their ids, in the order given or that of the configuration; what is amiss with them ends the command."""
        if self.ids and not (self.everyone or self.labels):
            return list(dict.fromkeys(self.ids))
        if self.ids or not (self.everyone or self.labels):
            raise typer.BadParameter("name offices, or choose them with --all or --label.", param_hint="OFFICE")
        for label in self.labels:
            if "=" not in label:
                raise typer.BadParameter(f"{label!r} is not KEY=VALUE.", param_hint="--label")
        wanted = {tuple(label.split("=", 1)) for label in self.labels}
        offices = [each.office for each in settings_of(config).offices if each.office.enabled]
        ids = [office.id for office in offices if wanted <= set(office.labels)]
        if not ids:
            raise failure("no office is chosen by that; `oddaemon status` lists all offices")
        return ids


def order_offices(config: Path | None, command: str, chosen: Chosen, *, as_json: bool) -> None:
    """Give an order about each office; ends with 1 if any of them was refused.

    Where they were chosen by what they have in common, those that stand so already are no failure of the order.
    """
    place = find(config)
    ids = chosen.resolved(place)
    socket = socket_of(place)
    alone, documents, refused, needless = len(chosen.ids) == 1, list[dict[str, Any]](), False, 0
    for office in ids:
        reply = order(socket, f"/offices/{quote(office, safe='', errors='replace')}/{command}")
        if not chosen.ids and reply.document.get("nothing_to_do"):
            needless += 1
            documents.append({"office": office, "outcome": reply.document["error"], "nothing_to_do": True})
            continue
        documents.append({"office": office, **reply.document})
        if reply.status != HTTPStatus.OK:
            refused = True
            typer.echo(f"oddaemon: {_refusal(place, office, reply)}", err=True)
        elif not as_json:
            typer.echo(reply.document["outcome"] if alone else f"{office}: {reply.document['outcome']}")
    if as_json and not (alone and refused):
        tell(documents[0] if alone else {"offices": documents})
    elif needless:
        typer.echo(f"Nothing to do for {needless:,} of {len(ids):,} offices: {SO_ALREADY[command]}.")
    if refused:
        raise typer.Exit(ExitStatus.FAILED)


def drain(config: Path | None, *, as_json: bool) -> None:
    """Have the daemon end in good order; whatever is in the way ends the command."""
    reply = order(socket_of(find(config)), "/drain")
    if reply.status != HTTPStatus.OK:
        raise failure(reply.refusal)
    if as_json:
        tell(reply.document)
    else:
        typer.echo(reply.document["outcome"])


def tell(document: dict[str, Any]) -> None:
    """The daemon's own document, on one line."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def _refusal(config: Path, office: str, reply: Reply) -> str:
    if reply.status == HTTPStatus.NOT_FOUND and office in _configured(config):
        return f"no office {office!r} is at work; it stands in the configuration: `oddaemon reload` takes it up"
    return reply.refusal


def _configured(config: Path) -> set[str]:
    settings = read(config).settings
    return {each.office.id for each in settings.offices} if settings else set()
