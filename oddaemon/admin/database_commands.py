"""Commands about the database as a whole: forget an office, prune, vacuum. Each runs as a background job.

Nothing may write about an office while it is forgotten. So no configuration is applied meanwhile; a reload that removed
the office has waited for its worker to end; its backfill jobs are cancelled here; and a courier in the middle of a
delivery finds no row to update.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from oddaemon.admin.background_jobs import BackgroundJobs
from oddaemon.admin.commands import CommandLog, CommandRejected, Document, RejectionKind
from oddaemon.admin.offline_commands import prune, vacuum_database
from oddaemon.engine.backfill.service import BackfillService
from oddaemon.engine.config.active_config import ActiveConfig
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.store.database import Database
from oddaemon.store.opening import get_upkeep
from oddaemon.telemetry.events import OfficeErased
from oddaemon.telemetry.events.base import Event


@dataclass(frozen=True, slots=True)
class DatabaseCommands:
    """Starts them in the daemon; each returns a sentence for the user and raises `CommandRejected`."""

    log: CommandLog
    jobs: BackgroundJobs
    configuration: ActiveConfig
    backfill: BackfillService
    fleet: FleetState
    database: Database
    emit: Callable[[Event], None]

    async def forget(self, office_id: str, uid: int | None) -> str:
        """Start to delete everything that is stored about an office; the job's result has the rows by table."""
        if office_id in self.fleet.offices:
            with self.log.record("forget", office_id, uid):
                raise _reject_configured(office_id)
        return await self.jobs.start("forget", office_id, uid, partial(self._erase, office_id))

    async def prune(self, days: int | None, uid: int | None) -> str:
        """Start to prune; None: what is older than `[state] retain_days`."""
        older_than = days or self.configuration.settings.state.retain_days
        return await self.jobs.start("prune", "", uid, lambda: prune(self.database, older_than, self.fleet.now()))

    async def vacuum(self, uid: int | None) -> str:
        """Start to give back the space of deleted rows."""
        return await self.jobs.start("vacuum", "", uid, partial(vacuum_database, self.database))

    async def _erase(self, office_id: str) -> Document:
        async with self.configuration.hold_settings() as settings:
            if office_id in settings.offices:
                raise _reject_configured(office_id)
            await self.backfill.remove_office(office_id)
            rows = await get_upkeep(self.database).erase_office(office_id)
        count = sum(rows.values())
        self.emit(OfficeErased(office_id, count))
        return {"outcome": f"Deleted {count:,} rows of {office_id}.", "rows": rows}


def _reject_configured(office_id: str) -> CommandRejected:
    sentence = f"{office_id} is in the active configuration."
    advice = (
        "Remove it from its file and run `oddaemon reload` first. `enabled = false` is not enough: the office would be "
        "read again once it is enabled."
    )
    return CommandRejected(RejectionKind.CONFLICT, sentence, advice)
