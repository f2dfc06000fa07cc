"""Diagnoses of offices: by the daemon for the offices that it watches, else by this process.

While a daemon runs, only it may use its offices' keys, so it runs the checks in their keys' turns.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import typer

from oddaemon.cli.output.exit import ExitStatus, fail, flatten_errors
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import fail_unknown_office
from oddaemon.cli.sources.daemon_client import (
    ControlResponse,
    DaemonNotRunning,
    DaemonUnavailable,
    VersionMismatch,
    make_target,
    request,
    require_control_socket,
    send,
)
from oddaemon.core.diagnostics.diagnosis import (
    Diagnosis,
    attribute_rejected_key,
    make_diagnosis_document,
    parse_diagnosis,
)
from oddaemon.core.reporting.formatting import format_count
from oddaemon.engine.diagnostics.standalone import StandaloneDoctor
from oddaemon.settings import OfficeSettings, Settings

POLL_INTERVAL_SECONDS = 0.5
"""Between two requests for the daemon's progress."""
_LIVENESS_PATH = "/offices/-/examination"

ProgressCallback = Callable[[int, int], None]


def select_offices(settings: Settings, ids: Sequence[str]) -> list[OfficeSettings]:
    """The offices with these ids; without any, all that are enabled. An unknown id ends the command."""
    offices = settings.offices
    for office_id in ids:
        if office_id not in offices:
            raise fail_unknown_office(office_id, offices)
    if ids:
        return [offices[office_id] for office_id in dict.fromkeys(ids)]
    return [each for each in settings.offices.values() if each.spec.enabled]


def diagnose_offices(settings: Settings, offices: Sequence[OfficeSettings], concurrency: int) -> list[Diagnosis]:
    """A diagnosis for each office, in the same order, at most `concurrency` at once."""
    name = offices[0].spec.id if len(offices) == 1 else format_count(len(offices), "office")
    socket = _find_daemon_socket(settings)
    try:
        with progress_bar(f"diagnosing {name}") as progress:
            return anyio.run(_diagnose_all, settings, offices, concurrency, socket, progress)
    except* DaemonUnavailable as group:
        error_group = group
    (error, *_) = flatten_errors(error_group)
    raise fail(
        error.message if isinstance(error, VersionMismatch) else f"the daemon became unavailable ({error}); try again"
    )


def diagnose_directly(settings: Settings, office: OfficeSettings) -> Diagnosis:
    """A diagnosis by this process, for an office that no daemon watches yet."""
    with progress_bar(f"diagnosing {office.spec.id}") as progress:
        return anyio.run(_diagnose_all, settings, [office], 1, None, progress)[0]


def make_diagnoses_document(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """All diagnoses as JSON."""
    return {
        "healthy": all(each.is_healthy for each in diagnoses),
        "offices": [make_diagnosis_document(each) for each in diagnoses],
    }


def exit_if_unhealthy(diagnoses: Sequence[Diagnosis]) -> None:
    """End the command with 1 if any check failed."""
    if not all(each.is_healthy for each in diagnoses):
        raise typer.Exit(ExitStatus.FAILED)


def _find_daemon_socket(settings: Settings) -> Path | None:
    """The control socket of a running daemon; None: there is none."""
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
            if socket is not None and await _start_in_daemon(socket, office.spec.id):
                diagnoses[office.spec.id] = await _diagnose_in_daemon(socket, office.spec.id, office_progress)
            else:
                diagnoses[office.spec.id] = await run_checks(office, office_progress)
        if progress is not None and office_progress is _ignore_progress:
            progress(len(diagnoses), len(offices))

    async with anyio.create_task_group() as tasks:
        for office in offices:
            tasks.start_soon(diagnose, office)
    return attribute_rejected_key(diagnoses[office.spec.id] for office in offices)


async def _start_in_daemon(socket: Path, office_id: str) -> bool:
    """Have the daemon diagnose the office; False: it does not watch this office, so it does not use its key."""
    response = await _send(socket, "POST", make_target("offices", office_id, "examine"))
    if response.status == HTTPStatus.OK:
        return True
    if response.document.get("worker_running") is False:
        return False
    raise DaemonUnavailable(response.error_message)


async def _diagnose_in_daemon(socket: Path, office_id: str, progress: ProgressCallback) -> Diagnosis:
    while True:
        response = await _send(socket, "GET", make_target("offices", office_id, "examination"))
        if response.status != HTTPStatus.OK:
            raise DaemonUnavailable(response.error_message)
        if not {"completed", "total", "diagnosis"} <= response.document.keys():
            raise VersionMismatch
        progress(response.document["completed"], response.document["total"])
        if response.document["diagnosis"] is not None:
            return parse_diagnosis(response.document["diagnosis"])
        await anyio.sleep(POLL_INTERVAL_SECONDS)


async def _send(socket: Path, method: str, target: str) -> ControlResponse:
    return await anyio.to_thread.run_sync(send, socket, method, target)


def _ignore_progress(_done: int, _of: int) -> None:
    """The progress of one office among many is not shown."""
