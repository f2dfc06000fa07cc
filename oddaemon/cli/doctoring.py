"""`doctor` and `check --live`: offices examined, by the daemon that watches them or, where none does, by ourselves.

While a daemon runs it alone asks with its offices' keys, so it is told to examine them in their keys' own turns.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import typer

from oddaemon.cli.asking import NoReplyError, NotRunningError, Reply, ask, reply_of, socket_of
from oddaemon.cli.configuration import settings_of
from oddaemon.cli.doctoring_sheet import show_examination, show_round
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.gauge import gauge
from oddaemon.core.examination import Examination, told_apart
from oddaemon.core.examination_document import examination_document, examination_of
from oddaemon.engine.doctor_round import Doctor
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.settings.problem import did_you_mean

LOOK_SECONDS = 0.5
"""Between two looks at what the daemon has found out."""
_ASKED_FOR_NOBODY = "/offices/-/examination"

Told = Callable[[int, int], None]


def doctor(config: Path | None, ids: Sequence[str], *, concurrency: int, as_json: bool) -> None:
    """Examine offices and show every step of each; without ids all of them, in a table. 1 if one is unwell."""
    settings = settings_of(config)
    found = examined(settings, chosen(settings, ids), concurrency)
    if as_json:
        typer.echo(json.dumps(round_document(found), indent=2, ensure_ascii=False))
    elif ids:
        for examination in found:
            show_examination(examination)
    else:
        show_round(found)
    end_with(found)


def chosen(settings: Settings, ids: Sequence[str]) -> list[OfficeSettings]:
    """The offices of these ids; without any, all that are not switched off. An unknown one ends the command."""
    offices = {each.office.id: each for each in settings.offices}
    for office_id in ids:
        if office_id not in offices:
            hint = did_you_mean(office_id, offices) or "`oddaemon office list` shows them all"
            raise failure(f"no office {office_id!r}; {hint}")
    if ids:
        return [offices[office_id] for office_id in dict.fromkeys(ids)]
    return [each for each in settings.offices if each.office.enabled]


def examined(settings: Settings, offices: Sequence[OfficeSettings], concurrency: int) -> list[Examination]:
    """Every office examined, in the order given, so many at once; how far it has come is shown on a terminal."""
    what = f"examining {offices[0].office.id}" if len(offices) == 1 else f"examining {len(offices):,} offices"
    socket = _socket_of_daemon(settings)
    try:
        with gauge(what) as progress:
            return anyio.run(_round, settings, offices, concurrency, socket, progress)
    except* (OSError, NoReplyError) as group:
        lost = group
    raise failure(f"the daemon went away meanwhile ({lost.exceptions[0]}); try again")


def examined_alone(settings: Settings, office: OfficeSettings) -> Examination:
    """One office that no daemon can know yet, examined by ourselves."""
    with gauge(f"examining {office.office.id}") as progress:
        return anyio.run(_round, settings, [office], 1, None, progress)[0]


def round_document(examinations: Sequence[Examination]) -> dict[str, Any]:
    """All of them, in values of JSON."""
    return {
        "well": all(each.is_well for each in examinations),
        "offices": [examination_document(each) for each in examinations],
    }


def end_with(examinations: Sequence[Examination]) -> None:
    """Ends the command with the status of a failure if anybody must act."""
    if not all(each.is_well for each in examinations):
        raise typer.Exit(ExitStatus.FAILED)


def _socket_of_daemon(settings: Settings) -> Path | None:
    """The control socket, if somebody answers there; whatever keeps us from asking a daemon that runs is told."""
    if settings.http.control_socket is None:
        return None
    try:
        reply_of(socket_of(settings.source), "GET", _ASKED_FOR_NOBODY)
    except NotRunningError:
        return None
    return settings.http.control_socket


async def _round(
    settings: Settings,
    offices: Sequence[OfficeSettings],
    concurrency: int,
    socket: Path | None,
    progress: Told | None,
) -> list[Examination]:
    by_ourselves = Doctor(settings, lambda: datetime.now(UTC)).examine
    found: dict[str, Examination] = {}
    alone = progress if progress is not None and len(offices) == 1 else _untold
    places = anyio.CapacityLimiter(concurrency)

    async def visit(office: OfficeSettings) -> None:
        async with places:
            begun = None if socket is None else await _begun(socket, office.office.id)
            if socket is None or begun is None:
                found[office.office.id] = await by_ourselves(office, alone)
            else:
                found[office.office.id] = await _by_daemon(socket, office.office.id, alone)
        if progress is not None and alone is _untold:
            progress(len(found), len(offices))

    async with anyio.create_task_group() as tasks:
        for office in offices:
            tasks.start_soon(visit, office)
    return told_apart(found[office.office.id] for office in offices)


async def _begun(socket: Path, office_id: str) -> Reply | None:
    """The daemon examines the office now; None: nobody is at work there, so nobody asks with its key."""
    reply = await _asked(socket, "POST", f"/offices/{quote(office_id, safe='')}/examine")
    if reply.status == HTTPStatus.OK:
        return reply
    if reply.document.get("at_work") is False:
        return None
    raise NoReplyError(reply.refusal)


async def _by_daemon(socket: Path, office_id: str, progress: Told) -> Examination:
    while True:
        reply = await _asked(socket, "GET", f"/offices/{quote(office_id, safe='')}/examination")
        if reply.status != HTTPStatus.OK:
            raise NoReplyError(reply.refusal)
        progress(reply.document["asked"], reply.document["of"])
        if reply.document["examination"] is not None:
            return examination_of(reply.document["examination"])
        await anyio.sleep(LOOK_SECONDS)


def _asked(socket: Path, method: str, target: str) -> Awaitable[Reply]:
    return anyio.to_thread.run_sync(ask, socket, method, target)


def _untold(_done: int, _of: int) -> None:
    """Nobody watches a single office of many."""
