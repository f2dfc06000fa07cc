"""The database of a configuration: read beside the daemon, written by the daemon while it has the file open."""

import shlex
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import typer

from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.daemon_client import DaemonNotRunning, request, require_control_socket
from oddaemon.core.dsn import parse_dsn
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseLocked, DatabaseMissing, StoreError
from oddaemon.store.history.reader import HistoryReader
from oddaemon.store.opening import open_database, open_for_reading
from oddaemon.store.sqlite.open_mark import describe_lost_log

POLL_INTERVAL_SECONDS = 0.5
"""Between two checks whether the daemon is done."""
INTERRUPTED = "interrupted; the daemon finishes what it has begun"

Document = Mapping[str, Any]
T = TypeVar("T")


def print_warning(message: str) -> None:
    """Write a warning to standard error."""
    typer.echo(f"warning: {message}", err=True)


def warn_of_lost_log(opened: Database | HistoryReader, warn: Callable[[str], None] = print_warning) -> None:
    """Warn if the results may be old because the log of the database is missing."""
    if isinstance(opened, HistoryReader):
        if opened.warning:
            warn(opened.warning)
    elif opened.open_result.has_lost_log:
        warn(describe_lost_log(Path(opened.where)))


def read_database(
    settings: Settings,
    read: Callable[[Database], Awaitable[T]],
    warn: Callable[[str], None] = print_warning,
    *,
    if_missing: Callable[[], T] | None = None,
) -> T:
    """Run `read` with the database open for reading; a problem with the database ends the command.

    Args:
        settings: Where the database is.
        read: Reads.
        warn: Takes what the reader must know of the results.
        if_missing: The result without a database; None: that is a problem, too.
    """

    async def open_and_read() -> T:
        async with open_for_reading(settings.state.database_url.reveal()) as db:
            warn_of_lost_log(db, warn)
            return await read(db)

    try:
        return anyio.run(open_and_read)
    except DatabaseMissing as error:
        if if_missing is None:
            raise fail(str(error)) from error
        return if_missing()
    except StoreError as error:
        raise fail(str(error)) from error


def run_on_database(
    settings: Settings, work: Callable[[Database], Awaitable[Document]], target: str, query: str = ""
) -> Document:
    """Run `work`; while a daemon has the database open, send it the command at `target` instead.

    A server has no lock that shows a daemon, and daemons of other hosts are at work meanwhile. So `work` must be safe
    beside them; the daemon of this host does it if there is one, as it counts and logs it.

    Ctrl-C stops waiting; the daemon continues.
    """
    url = settings.state.database_url.reveal()

    async def run() -> Document:
        # A command creates and migrates nothing.
        async with open_for_reading(url):
            pass
        if settings.state.is_postgresql:
            with suppress(DaemonNotRunning):
                return await run_in_daemon(settings.source, target, query)
        try:
            async with open_database(url) as database:
                # From now on nothing shows it: the file gets a new log.
                warn_of_lost_log(database)
                return await work(database)
        except DatabaseLocked as locked:
            return await run_in_lock_owner(locked, settings.source, target, query)

    try:
        return anyio.run(run)
    except KeyboardInterrupt:
        raise fail(INTERRUPTED) from None
    except StoreError as error:
        raise fail(str(error)) from error


def refuse_on_server(settings: Settings, reason: str, command: str) -> typer.Exit:
    """Write that a command is for files, and the command of PostgreSQL's that does it on a server.

    Args:
        settings: Where the database is.
        reason: Who does it there, as the beginning of a sentence that ends with the command.
        command: For a shell; `{conninfo}` is replaced by the database, without its password.
    """
    state = settings.state
    conninfo = shlex.quote(parse_dsn(state.database_url.reveal()).conninfo)
    return fail(f"{state.where} is on a PostgreSQL server, and {reason}:\n  {command.format(conninfo=conninfo)}")


async def run_in_lock_owner(locked: DatabaseLocked, config: Path, target: str, query: str = "") -> Document:
    """Have the daemon that holds the lock of a file run a job; arguments as for `run_in_daemon`."""
    try:
        return await run_in_daemon(config, target, query)
    except DaemonNotRunning:
        raise fail(
            f"{locked.what} Only that process can write to its database, and no daemon listens on "
            f"{require_control_socket(config)}: stop it, run this command again, and start it "
            "(systemctl stop oddaemon; ...; systemctl start oddaemon)."
        ) from None


async def run_in_daemon(config: Path, target: str, query: str = "") -> Document:
    """Have the daemon of this host run a job, and wait for its result; a problem ends the command.

    Args:
        config: Names the control socket.
        target: Path of the job on the control socket, for starting it and for its result.
        query: Parameters of the start: "?older_than_days=90".

    Raises:
        DaemonNotRunning: There is none to start it.
    """
    path = await anyio.to_thread.run_sync(require_control_socket, config)
    started = await _request_document(path, "POST", target + query)
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
