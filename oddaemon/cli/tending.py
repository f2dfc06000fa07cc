"""`state prune` and `state vacuum`: what the housekeeper does at night, by hand, in the daemon or without one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.errands import done_by_daemon
from oddaemon.cli.failing import failure
from oddaemon.engine.errand_desk import prune, vacuum
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseHeld, StoreError
from oddaemon.store.migration import require_newest
from oddaemon.web.control import Document


def prune_state(config: Path | None, days: int | None) -> None:
    """Forget what is older, and say what that was; whatever stands in the way ends the command with a message."""
    settings = settings_of(config)
    older_than = days or settings.state.retain_days

    async def work(database: Database) -> Document:
        return await prune(database, older_than, datetime.now(UTC))

    done = _done(settings, work, "/state/prune", f"?older_than_days={older_than}")
    typer.echo(f"{done['outcome']} `oddaemon state vacuum` gives the space back.")


def vacuum_state(config: Path | None) -> None:
    """Write the file anew, and say what that brought; whatever stands in the way ends the command with a message."""
    typer.echo(_done(settings_of(config), vacuum, "/state/vacuum")["outcome"])


def _done(
    settings: Settings, work: Callable[[Database], Awaitable[Document]], target: str, query: str = ""
) -> Document:
    """Work on the database by ourselves or, while a daemon has it open, have the daemon do it."""

    async def whole() -> Document:
        try:
            async with Database.open(settings.state.database) as database:
                return await work(database)
        except DatabaseHeld as held:
            return await done_by_daemon(held, settings.source, target, query)

    try:
        require_newest(settings.state.path)
        return anyio.run(whole)
    except KeyboardInterrupt:
        raise failure("nobody waits for it any more; what the daemon has begun it goes on with") from None
    except StoreError as error:
        raise failure(str(error)) from error
