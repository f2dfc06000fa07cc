"""`state prune` and `state vacuum`: what the housekeeper does at night, by hand, in the daemon or without one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import typer

from oddaemon.admin.commands import Document
from oddaemon.admin.offline_commands import prune, vacuum_database
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.daemon_client import run_in_daemon
from oddaemon.settings import Settings
from oddaemon.store.errors import DatabaseLocked, StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.version import require_newest


def prune_state(config: Path | None, days: int | None) -> None:
    """Forget what is older, and say what that was; whatever stands in the way ends the command with a message."""
    settings = load_settings(config)
    older_than = days or settings.state.retain_days

    async def work(database: SqliteDatabase) -> Document:
        return await prune(database, older_than, datetime.now(UTC))

    result = _run_on_database(settings, work, "/state/prune", f"?older_than_days={older_than}")
    typer.echo(f"{result['outcome']} `oddaemon state vacuum` gives the space back.")


def vacuum_state(config: Path | None) -> None:
    """Write the file anew, and say what that brought; whatever stands in the way ends the command with a message."""
    typer.echo(_run_on_database(load_settings(config), vacuum_database, "/state/vacuum")["outcome"])


def _run_on_database(
    settings: Settings, work: Callable[[SqliteDatabase], Awaitable[Document]], target: str, query: str = ""
) -> Document:
    """Work on the database by ourselves or, while a daemon has it open, have the daemon do it."""

    async def run() -> Document:
        try:
            async with SqliteDatabase.open(settings.state.database) as database:
                return await work(database)
        except DatabaseLocked as locked:
            return await run_in_daemon(locked, settings.source, target, query)

    try:
        require_newest(settings.state.path)
        return anyio.run(run)
    except KeyboardInterrupt:
        raise fail("nobody waits for it any more; what the daemon has begun it goes on with") from None
    except StoreError as error:
        raise fail(str(error)) from error
