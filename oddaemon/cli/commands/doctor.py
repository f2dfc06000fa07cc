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

from oddaemon.cli.output.diagnostics import show_diagnoses, show_diagnosis
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.daemon_client import (
    ControlResponse,
    DaemonNotRunning,
    InvalidResponse,
    request,
    require_control_socket,
    send,
)
from oddaemon.core.diagnostics.diagnosis import Diagnosis, attribute_rejected_key
from oddaemon.core.diagnostics.document import make_diagnosis_document, parse_diagnosis
from oddaemon.engine.diagnostics.standalone import StandaloneDoctor
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.settings.values.suggestions import suggest_name

POLL_INTERVAL_SECONDS = 0.5
"""Between two looks at what the daemon has found out."""
_LIVENESS_PATH = "/offices/-/examination"

ProgressCallback = Callable[[int, int], None]


def run_doctor(config: Path | None, ids: Sequence[str], *, concurrency: int, as_json: bool) -> None:
    """Examine offices and show every step of each; without ids all of them, in a table. 1 if one is unwell."""
    settings = load_settings(config)
    diagnoses = diagnose_offices(settings, select_offices(settings, ids), concurrency)
    if as_json:
        typer.echo(json.dumps(make_diagnoses_document(diagnoses), indent=2, ensure_ascii=False))
    elif ids:
        for diagnosis in diagnoses:
            show_diagnosis(diagnosis)
    else:
        show_diagnoses(diagnoses)
    exit_if_unwell(diagnoses)


def select_offices(settings: Settings, ids: Sequence[str]) -> list[OfficeSettings]:
    """The offices of these ids; without any, all that are not switched off. An unknown one ends the command."""
    offices = {each.office.id: each for each in settings.offices}
    for office_id in ids:
        if office_id not in offices:
            hint = suggest_name(office_id, offices) or "`oddaemon office list` shows them all"
            raise fail(f"no office {office_id!r}; {hint}")
    if ids:
        return [offices[office_id] for office_id in dict.fromkeys(ids)]
    return [each for each in settings.offices if each.office.enabled]


def diagnose_offices(settings: Settings, offices: Sequence[OfficeSettings], concurrency: int) -> list[Diagnosis]:
    """Every office examined, in the order given, so many at once; how far it has come is shown on a terminal."""
    description = f"examining {offices[0].office.id}" if len(offices) == 1 else f"examining {len(offices):,} offices"
    socket = _find_daemon_socket(settings)
    try:
        with progress_bar(description) as progress:
            return anyio.run(_diagnose_all, settings, offices, concurrency, socket, progress)
    except* (OSError, InvalidResponse) as group:
        error_group = group
    raise fail(f"the daemon went away meanwhile ({error_group.exceptions[0]}); try again")


def diagnose_directly(settings: Settings, office: OfficeSettings) -> Diagnosis:
    """One office that no daemon can know yet, examined by ourselves."""
    with progress_bar(f"examining {office.office.id}") as progress:
        return anyio.run(_diagnose_all, settings, [office], 1, None, progress)[0]


def make_diagnoses_document(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """All of them, in values of JSON."""
    return {
        "healthy": all(each.is_healthy for each in diagnoses),
        "offices": [make_diagnosis_document(each) for each in diagnoses],
    }


def exit_if_unwell(diagnoses: Sequence[Diagnosis]) -> None:
    """Ends the command with the status of a failure if anybody must act."""
    if not all(each.is_healthy for each in diagnoses):
        raise typer.Exit(ExitStatus.FAILED)


def _find_daemon_socket(settings: Settings) -> Path | None:
    """The control socket, if somebody answers there; whatever keeps us from asking a daemon that runs is told."""
    if settings.http.control_socket is None:
        return None
    try:
        request(require_control_socket(settings.source), "GET", _LIVENESS_PATH)
    except DaemonNotRunning:
        return None
    return settings.http.control_socket


async def _diagnose_all(
    settings: Settings,
    offices: Sequence[OfficeSettings],
    concurrency: int,
    socket: Path | None,
    progress: ProgressCallback | None,
) -> list[Diagnosis]:
    run_checks = StandaloneDoctor(settings, lambda: datetime.now(UTC)).diagnose
    diagnoses: dict[str, Diagnosis] = {}
    office_progress = progress if progress is not None and len(offices) == 1 else _ignore_progress
    limiter = anyio.CapacityLimiter(concurrency)

    async def diagnose(office: OfficeSettings) -> None:
        async with limiter:
            started = None if socket is None else await _start_in_daemon(socket, office.office.id)
            if socket is None or started is None:
                diagnoses[office.office.id] = await run_checks(office, office_progress)
            else:
                diagnoses[office.office.id] = await _diagnose_in_daemon(socket, office.office.id, office_progress)
        if progress is not None and office_progress is _ignore_progress:
            progress(len(diagnoses), len(offices))

    async with anyio.create_task_group() as tasks:
        for office in offices:
            tasks.start_soon(diagnose, office)
    return attribute_rejected_key(diagnoses[office.office.id] for office in offices)


async def _start_in_daemon(socket: Path, office_id: str) -> ControlResponse | None:
    """The daemon examines the office now; None: nobody is at work there, so nobody asks with its key."""
    response = await _send(socket, "POST", f"/offices/{quote(office_id, safe='')}/examine")
    if response.status == HTTPStatus.OK:
        return response
    if response.document.get("worker_running") is False:
        return None
    raise InvalidResponse(response.error_message)


async def _diagnose_in_daemon(socket: Path, office_id: str, progress: ProgressCallback) -> Diagnosis:
    while True:
        response = await _send(socket, "GET", f"/offices/{quote(office_id, safe='')}/examination")
        if response.status != HTTPStatus.OK:
            raise InvalidResponse(response.error_message)
        progress(response.document["completed"], response.document["total"])
        if response.document["diagnosis"] is not None:
            return parse_diagnosis(response.document["diagnosis"])
        await anyio.sleep(POLL_INTERVAL_SECONDS)


def _send(socket: Path, method: str, target: str) -> Awaitable[ControlResponse]:
    return anyio.to_thread.run_sync(send, socket, method, target)


def _ignore_progress(_done: int, _of: int) -> None:
    """Nobody watches a single office of many."""
