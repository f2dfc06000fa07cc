"""Orders that take longer than anybody should have to hold a connection: begun now, looked at until they are over.

They work on the database's file as a whole, so they come one after another, and in turn with the housekeeper's jobs.
What becomes of one is told to whoever looks, and stands in the log for whoever does not.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.admin.commands import CommandRejected, Document
from oddaemon.admin.office_commands import CONFLICT, NOT_FOUND, CommandService
from oddaemon.engine.tasks import run_guarded
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import JobFailed, JobFinished
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

IN_PROGRESS = "in_progress"
DONE = "done"

Work = Callable[[], Awaitable[Document]]
"""Does it; its document has an `outcome`, a sentence. Raises `CommandRejected` or `StoreError` where it "
"cannot be done."""


@dataclass(slots=True)
class _BackgroundJob:
    """One of them, and what became of it."""

    result: Document | None = None
    rejection: CommandRejected | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.rejection is not None


class BackgroundJobs:
    """The last errand of each name.

    Args:
        commands: Writes orders down.
        database: On whose file they work.
        tasks: Where they run.
        emit: Takes the events.
    """

    def __init__(
        self,
        commands: CommandService,
        database: SqliteDatabase,
        tasks: anyio.abc.TaskGroup,
        emit: Callable[[Event], None],
    ) -> None:
        self._commands = commands
        self._database = database
        self._tasks = tasks
        self._emit = emit
        self._jobs: dict[str, _BackgroundJob] = {}

    async def start(self, command: str, office_id: str, uid: int | None, work: Work) -> str:
        """Have it done, unless that is under way; tells what happens now.

        Raises:
            OrderRefused: The daemon is not at work.
        """
        await anyio.lowlevel.checkpoint()
        name = _make_name(command, office_id)
        with self._commands.log_command(command, office_id, uid) as reply:
            previous = self._jobs.get(name)
            if previous is not None and not previous.is_done:
                return reply("It is being done already.")
            self._jobs[name] = job = _BackgroundJob()
            self._tasks.start_soon(self._run, name, job, work, name=name)
            return reply("It is done now, in its turn at the database's file.")

    async def get_status(self, command: str, office_id: str) -> Document:
        """`{"outcome": "in_progress"|"done", "result": {…}|null}`.

        Raises:
            OrderRefused: It could not be done, or nobody has ordered it.
        """
        await anyio.lowlevel.checkpoint()
        name = _make_name(command, office_id)
        job = self._jobs.get(name)
        if job is None:
            raise CommandRejected(
                NOT_FOUND, f"Nobody has ordered `{name}` since the daemon started.", "Order it again."
            )
        if job.rejection is not None:
            raise job.rejection
        return {"outcome": DONE if job.is_done else IN_PROGRESS, "result": job.result}

    def cancel_all(self) -> None:
        """Break off what is under way: a large file takes minutes, and whoever has something to store waits for it."""
        for job in self._jobs.values():
            job.scope.cancel()

    async def _run(self, name: str, job: _BackgroundJob, work: Work) -> None:
        async def run_work() -> None:
            job.result = await work()

        error: Exception | None = _make_shutdown_rejection()
        started = anyio.current_time()
        with job.scope:
            async with self._database.maintenance_lock:
                started = anyio.current_time()
                error = await run_guarded(run_work)
        seconds = anyio.current_time() - started
        if job.result is not None:
            self._emit(JobFinished(name, seconds, job.result["outcome"]))
            return
        assert error is not None, "either it did or it did not"
        job.rejection = rejection = make_rejection(error)
        traceback = None if isinstance(error, StoreError | CommandRejected) else format_traceback(error)
        self._emit(JobFailed(name, seconds, f"{rejection.sentence} {rejection.advice}".strip(), traceback))


def _make_shutdown_rejection() -> CommandRejected:
    return CommandRejected(CONFLICT, "The daemon is stopping, and broke it off.", "Order it again once it has started.")


def make_rejection(error: Exception) -> CommandRejected:
    """What whoever ordered something is told of what ended it."""
    match error:
        case CommandRejected():
            return error
        case StoreError():
            return CommandRejected(CONFLICT, error.what, error.advice)
        case _:
            sentence = f"An error in oddaemon itself ended it: {type(error).__name__}."
            return CommandRejected(CONFLICT, sentence, "Report the event `job_failed` from the log to us.")


def _make_name(command: str, office_id: str) -> str:
    return f"{command} {office_id}".strip()
