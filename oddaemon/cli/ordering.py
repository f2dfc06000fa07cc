"""`office accept`: an order to the running daemon, and what keeps it from being carried out, told so that it can be."""

import json
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import typer

from oddaemon.cli.asking import NoReplyError, Reply, post
from oddaemon.cli.configuration import settings_of
from oddaemon.cli.failing import failure
from oddaemon.settings import Settings
from oddaemon.settings.problem import did_you_mean


def accept_held(config: Path | None, office: str, *, as_json: bool) -> None:
    """Have the daemon believe what it holds of an office; whatever is in the way ends the command."""
    settings = settings_of(config)
    reply = _ordered(settings, f"/offices/{quote(office, safe='', errors='replace')}/accept")
    if reply.status == HTTPStatus.NOT_FOUND:
        known = [each.office.id for each in settings.offices]
        raise failure(f"no office {office!r}; {_meant(office, known)}")
    if reply.status != HTTPStatus.OK:
        told = (reply.document.get("error"), reply.document.get("advice"))
        raise failure(" ".join(str(part) for part in told if part) or f"the daemon refused (HTTP {reply.status})")
    typer.echo(json.dumps(reply.document, ensure_ascii=False) if as_json else str(reply.document["outcome"]))


def _ordered(settings: Settings, target: str) -> Reply:
    path = settings.http.control_socket
    if path is None:
        raise failure("the daemon has no control socket; set `[http] control_socket` and restart it")
    try:
        return post(path, target)
    except FileNotFoundError:
        raise failure(f"the daemon is not running: there is no {path}; start it, or name its own --config") from None
    except ConnectionRefusedError:
        raise failure(f"the daemon is not running: nobody answers at {path}; start it") from None
    except PermissionError:
        raise failure(f"this user may not give orders at {path}; give them as the daemon's user, or as root") from None
    except TimeoutError:
        raise failure(f"the daemon does not answer at {path}; see its log, and `oddaemon status`") from None
    except NoReplyError:
        raise failure(f"what answers at {path} is no oddaemon of this version; restart the daemon") from None
    except OSError as error:
        raise failure(f"the daemon cannot be reached at {path}: {error.strerror or error}") from error


def _meant(office: str, known: list[str]) -> str:
    if office in known:
        return "it stands in the configuration, but the daemon does not know it yet: send it SIGHUP"
    return did_you_mean(office, known) or "`oddaemon status` lists all offices"
