"""Commands that take too long for one HTTP request: a client starts one and polls until it is done.

The outcome of each is kept for the client and written to the log.
"""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.admin.commands import CommandLog, CommandRejected, Document, RejectionKind, reject_store_error
from oddaemon.engine.tasks import run_guarded
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import JobFailed, JobFinished
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

IN_PROGRESS = "in_progress"
DONE = "done"

Work = Callable[[], Awaitable[Document]]
"""Does the job and returns a document; its `outcome`, if it has one, is a sentence for the log.

Raises `CommandRejected` or `StoreError`.
"""


@dataclass(slots=True)
class _BackgroundJob:
    result: Document | None = None
    rejection: CommandRejected | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.rejection is not None


@dataclass(frozen=True, slots=True)
class BackgroundJobs:
    """The last job of each name."""

    log: CommandLog
    tasks: anyio.abc.TaskGroup
    """Where the jobs run."""
    emit: Callable[[Event], None]
    lock: anyio.Lock | None = None
    """Held by each job while it runs, so that jobs on the whole database file run one after another, and in turn with
    the scheduled maintenance. None: the jobs do not wait for each other."""
    _jobs: dict[str, _BackgroundJob] = field(default_factory=dict, init=False)

    async def start(self, command: str, office_id: str, uid: int | None, work: Work) -> str:
        """Start a job unless it runs already; returns a sentence for the user.

        Raises:
            CommandRejected: The daemon accepts no commands now.
        """
        await anyio.lowlevel.checkpoint()
        name = _make_name(command, office_id)
        with self.log.record(command, office_id, uid) as reply:
            return reply(f"Started `{name}`." if self.begin(name, work) else f"`{name}` is already running.")

    def begin(self, name: str, work: Work) -> bool:
        """Start a job unless it runs already; returns whether it did."""
        previous = self._jobs.get(name)
        if previous is not None and not previous.is_done:
            return False
        self._jobs[name] = job = _BackgroundJob()
        self.tasks.start_soon(self._run, name, job, work, name=name)
        return True

    async def get_status(self, command: str, office_id: str) -> Document:
        """`{"outcome": "in_progress"|"done", "result": {…}|null}`.

        Raises:
            CommandRejected: The job failed, or there is none.
        """
        name = _make_name(command, office_id)
        missing = f"`{name}` was not requested since the daemon started."
        result = await self.get_result(
            name, CommandRejected(RejectionKind.NOT_FOUND, missing, "Send the command again.")
        )
        return {"outcome": IN_PROGRESS if result is None else DONE, "result": result}

    async def get_result(self, name: str, missing: CommandRejected) -> Document | None:
        """The result of a job; None: it still runs.

        Raises:
            CommandRejected: The job failed; or there is none, and `missing` is raised.
        """
        await anyio.lowlevel.checkpoint()
        job = self._jobs.get(name)
        if job is None:
            raise missing
        if job.rejection is not None:
            raise job.rejection
        return job.result

    def list_failures(self) -> list[str]:
        """The jobs whose last run failed, for users who did not wait for it: each with its reason and what to do."""
        return [
            f"`{name}` failed. {job.rejection.sentence} {job.rejection.advice}".strip()
            for name, job in self._jobs.items()
            if job.rejection is not None
        ]

    def cancel_all(self) -> None:
        """Cancel the running jobs: a large file takes minutes, and every writer waits for it."""
        for job in self._jobs.values():
            job.scope.cancel()

    async def _run(self, name: str, job: _BackgroundJob, work: Work) -> None:
        async def run_work() -> None:
            job.result = await work()

        error: Exception | None = CommandRejected(
            RejectionKind.CONFLICT, f"The daemon is stopping and cancelled `{name}`.", "Start it again after a restart."
        )
        started = anyio.current_time()
        try:
            with job.scope:
                async with self.lock or nullcontext():
                    started = anyio.current_time()
                    error = await run_guarded(run_work)
        except BaseException:
            del self._jobs[name]
            raise
        seconds = anyio.current_time() - started
        if job.result is not None:
            if "outcome" in job.result:
                self.emit(JobFinished(name, seconds, job.result["outcome"]))
            return
        assert error is not None, "a job has a result or an error"
        job.rejection = rejection = _reject_failed_job(error)
        traceback = None if isinstance(error, StoreError | CommandRejected) else format_traceback(error)
        self.emit(JobFailed(name, seconds, f"{rejection.sentence} {rejection.advice}".strip(), traceback))


def _reject_failed_job(error: Exception) -> CommandRejected:
    """What the client of a job hears of the error that ended it."""
    match error:
        case CommandRejected():
            return error
        case StoreError():
            return reject_store_error(error)
        case _:
            sentence = f"An internal error ended the job: {type(error).__name__}."
            return CommandRejected(RejectionKind.CONFLICT, sentence, "Report the log event `job_failed` to us.")


def _make_name(command: str, office_id: str) -> str:
    return f"{command} {office_id}".strip()
