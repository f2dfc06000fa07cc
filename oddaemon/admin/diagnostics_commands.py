"""Examinations by the daemon: asked in the turn of its own worker, so that nobody's key is asked twice at once.

One is begun by an order and looked at until it is done, because it takes longer than anybody should have to hold a
connection. Whoever orders one that is under way is shown that one.

Examinations on the control socket: one is begun here, and whoever began it looks here until it is done.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.admin.background_jobs import make_rejection
from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.office_commands import NOT_FOUND, CommandService
from oddaemon.core.diagnostics.document import make_diagnosis_document
from oddaemon.engine.diagnostics.probe import REQUESTS_MAX, ProbeTarget, diagnose
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.tasks import run_guarded
from oddaemon.http_server.unix_socket import get_uid
from oddaemon.opendental.client import Api
from oddaemon.settings import Settings
from oddaemon.telemetry.events import JobFailed
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

IN_PROGRESS = "in_progress"
DONE = "done"


@dataclass(slots=True)
class _DiagnosticJob:
    """One examination, and how far it has come."""

    requests: int = 0
    requests_max: int = REQUESTS_MAX
    result: dict[str, Any] | None = None
    rejection: CommandRejected | None = None
    """Why nothing will be found."""

    @property
    def is_running(self) -> bool:
        return self.result is None and self.rejection is None

    def update_progress(self, requests: int, requests_max: int) -> None:
        """So many questions are done."""
        self.requests, self.requests_max = requests, requests_max


class DiagnosticJobs:
    """The last examination of each office that was examined.

    Args:
        commands: Writes orders down.
        registry: Who is at work where.
        api: The way to every office.
        tasks: Where examinations run.
        settings: Those in force.
        emit: Takes the events.
    """

    def __init__(
        self,
        commands: CommandService,
        registry: Registry,
        api: Api,
        tasks: anyio.abc.TaskGroup,
        settings: Callable[[], Settings],
        *,
        emit: Callable[[Event], None],
    ) -> None:
        self._commands = commands
        self._registry = registry
        self._api = api
        self._tasks = tasks
        self._settings = settings
        self._emit = emit
        self._jobs: dict[str, _DiagnosticJob] = {}

    async def start(self, office_id: str, uid: int | None) -> str:
        """Begin to examine an office that is at work, unless that is under way; tells what happens now.

        Raises:
            OrderRefused: Nobody is at work there, so whoever asks may as well ask the office.
        """
        await anyio.lowlevel.checkpoint()
        with self._commands.log_command("examine", office_id, uid) as reply:
            target = self._make_target(office_id)
            job = self._jobs.get(office_id)
            if job is not None and job.is_running:
                return reply("It is being examined already.")
            self._jobs[office_id] = job = _DiagnosticJob()
            self._tasks.start_soon(self._run_job, office_id, target, job, name=f"examination of {office_id}")
            return reply("It is examined now, in its key's own turn.")

    async def get_status(self, office_id: str) -> Mapping[str, Any]:
        """How far the examination has come, or what it found.

        Raises:
            OrderRefused: There was none, or an error of our own ended it.
        """
        await anyio.lowlevel.checkpoint()
        job = self._jobs.get(office_id)
        if job is None:
            raise CommandRejected(NOT_FOUND, f"{office_id!r} was not examined.", f"`oddaemon doctor {office_id}` does.")
        if job.rejection is not None:
            raise job.rejection
        outcome = IN_PROGRESS if job.result is None else DONE
        return {"outcome": outcome, "completed": job.requests, "total": job.requests_max, "diagnosis": job.result}

    def _make_target(self, office_id: str) -> ProbeTarget:
        settings, worker = self._settings(), self._registry.get_worker(office_id)
        office = next((each for each in settings.offices if each.office.id == office_id), None)
        if worker is None or office is None:
            advice = "`oddaemon status` lists them all."
            raise CommandRejected(NOT_FOUND, f"Nobody is at work at {office_id!r}.", advice, {"worker_running": False})
        name = settings.api.developer_name
        return ProbeTarget(office, worker.api, settings.cadence, name, "daemon", worker.has_authenticated)

    async def _run_job(self, office_id: str, target: ProbeTarget, job: _DiagnosticJob) -> None:
        async def diagnose_target() -> None:
            job.result = make_diagnosis_document(await diagnose(target, self._api, job.update_progress))

        started = anyio.current_time()
        try:
            error = await run_guarded(diagnose_target)
            if error is not None:
                job.rejection = rejection = make_rejection(error)
                problem = f"{rejection.sentence} {rejection.advice}"
                seconds = anyio.current_time() - started
                self._emit(JobFailed(f"examine {office_id}", seconds, problem, format_traceback(error)))
        finally:
            if job.is_running:
                del self._jobs[office_id]


@dataclass(frozen=True, slots=True)
class DiagnosisHandlers:
    """What can be asked about an office's health. Both raise `CommandRejected`."""

    start: Callable[[str, int | None], Awaitable[str]]
    """Examine the office of this id; the number is the uid of whoever asks. Tells in a sentence what happens now."""
    get_status: Callable[[str], Awaitable[Mapping[str, Any]]]
    """How far that has come, or what it found."""


def make_diagnosis_routes(handlers: DiagnosisHandlers) -> Sequence[Route]:
    """`POST /offices/ID/examine` and `GET /offices/ID/examination`.

    The latter answers `{"outcome": "in_progress"|"done", "completed": 3, "total": 14, "diagnosis": {…}|null}`.
    """

    async def start(request: Request) -> Response:
        office = request.path_params["office"]
        return JSONResponse({"office": office, "outcome": await handlers.start(office, get_uid(request))})

    async def get_status(request: Request) -> Response:
        return JSONResponse(await handlers.get_status(request.path_params["office"]))

    return (
        Route("/offices/{office:path}/examine", start, methods=["POST"]),
        Route("/offices/{office:path}/examination", get_status),
    )
