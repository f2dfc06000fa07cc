"""`state prune` and `state vacuum`: what the housekeeper does at night, by hand and without a daemon."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import anyio
import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.failing import failure
from oddaemon.settings import Settings
from oddaemon.store import maintenance, pruning
from oddaemon.store.copying import size_bytes
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseHeld, StoreError
from oddaemon.store.migration import require_newest
from oddaemon.store.room import megabytes

T = TypeVar("T")


def prune_state(config: Path | None, days: int | None) -> None:
    """Forget what is older, and say what that was; whatever stands in the way ends the command with a message."""
    settings = settings_of(config)
    retained = timedelta(days=days or settings.state.retain_days)
    gone = _alone(settings, lambda db: pruning.prune(db, datetime.now(UTC) - retained))
    typer.echo(
        f"Older than {retained.days} days and gone: {gone.snapshots:,} snapshots, {gone.versions:,} versions of "
        f"balances, {gone.past_days:,} past days, {gone.journal_lines:,} lines of the journal. "
        "`oddaemon state vacuum` gives the space back."
    )


def vacuum_state(config: Path | None) -> None:
    """Write the file anew, and say what that brought; whatever stands in the way ends the command with a message."""
    settings = settings_of(config)

    async def anew(db: Database) -> tuple[int, int]:
        before = size_bytes(db.path)
        await maintenance.vacuum(db)
        return before, size_bytes(db.path)

    before, after = _alone(settings, anew)
    typer.echo(f"{settings.state.path} is written anew: {megabytes(before)} before, {megabytes(after)} now.")


def _alone(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Work on a database that no daemon has open."""

    async def whole() -> T:
        async with Database.open(settings.state.database) as db:
            return await work(db)

    try:
        require_newest(settings.state.path)
        return anyio.run(whole)
    except DatabaseHeld as error:
        raise failure(
            f"{error.what} It does this by itself at the times of [maintenance]; to have it done now, stop it first."
        ) from error
    except StoreError as error:
        raise failure(str(error)) from error
