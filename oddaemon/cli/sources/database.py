"""The database of a configuration: read beside the daemon, written by the daemon while it has the file open."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import typer

from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.daemon_client import DaemonNotRunning, request, require_control_socket
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseLocked, StoreError
from oddaemon.store.history.reader import HistoryReader
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.open_mark import describe_lost_log
from oddaemon.store.sqlite.version import require_newest

POLL_INTERVAL_SECONDS = 0.5
"""Between two checks whether the daemon is done."""
INTERRUPTED = "interrupted; the daemon finishes what it has begun"

Document = Mapping[str, Any]
T = TypeVar("T")


def print_warning(message: str) -> None:
    """Write a warning to standard error."""
    typer.echo(f"warning: {message}", err=True)


def warn_of_lost_log(opened: SqliteDatabase | HistoryReader, warn: Callable[[str], None] = print_warning) -> None:
    """Warn if the results may be old because the log of the database is missing."""
    if isinstance(opened, HistoryReader):
        if opened.warning:
            warn(opened.warning)
    elif opened.open_result.has_lost_log:
        warn(describe_lost_log(opened.path))


def read_database(
    settings: Settings, read: Callable[[Database], Awaitable[T]], warn: Callable[[str], None] = print_warning
) -> T:
    """Run `read` with the database open for reading; a problem with the database ends the command."""

    async def open_and_read() -> T:
        async with SqliteDatabase.open_for_reading(settings.state.database_url.reveal()) as db:
            warn_of_lost_log(db, warn)
            return await read(db)

    try:
        return anyio.run(open_and_read)
    except StoreError as error:
        raise fail(str(error)) from error


def run_on_database(
    settings: Settings, work: Callable[[SqliteDatabase], Awaitable[Document]], target: str, query: str = ""
) -> Document:
    """Run `work`; while a daemon has the database open, send it the command at `target` instead.

    Ctrl-C stops waiting; the daemon continues.
    """

    async def run() -> Document:
        try:
            async with SqliteDatabase.open(settings.state.database_url.reveal()) as database:
                # From now on nothing shows it: the file gets a new log.
                warn_of_lost_log(database)
                return await work(database)
        except DatabaseLocked as locked:
            return await run_in_daemon(locked, settings.source, target, query)

    try:
        require_newest(settings.state.path)
        return anyio.run(run)
    except KeyboardInterrupt:
        raise fail(INTERRUPTED) from None
    except StoreError as error:
        raise fail(str(error)) from error


async def run_in_daemon(locked: DatabaseLocked, config: Path, target: str, query: str = "") -> Document:
    """Have the daemon that holds the database run a job, and wait for its result; a problem ends the command.

    Args:
        locked: Why the command cannot run the job itself.
        config: Names the control socket.
        target: Path of the job on the control socket, for starting it and for its result.
        query: Parameters of the start: "?older_than_days=90".
    """
    path = await anyio.to_thread.run_sync(require_control_socket, config)
    try:
        started = await _request_document(path, "POST", target + query)
    except DaemonNotRunning:
        raise fail(
            f"{locked.what} Only that process can write to its database, and no daemon listens on {path}: stop it, "
            "run this command again, and start it (systemctl stop oddaemon; ...; systemctl start oddaemon)."
        ) from None
    typer.echo(f"The daemon has the database open. {started['outcome']}", err=True)
    try:
        while True:
            result: Document | None = (await _request_document(path, "GET", target))["result"]
            if result is not None:
                return result
            await anyio.sleep(POLL_INTERVAL_SECONDS)
    except DaemonNotRunning:
        raise fail("The daemon stopped before the job finished. Run the command again.") from None


async def _request_document(path: Path, method: str, target: str) -> Document:
    response = await anyio.to_thread.run_sync(request, path, method, target, abandon_on_cancel=True)
    if response.status != HTTPStatus.OK:
        raise fail(response.error_message)
    return response.document
