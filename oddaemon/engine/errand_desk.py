"""What can be ordered of the database's file as a whole: forget an office, prune, vacuum.

The last two are done by a command as well, where there is no daemon.

To forget an office is to have nobody left who writes of it, and then to remove it. So no configuration is put in force
meanwhile, and what a reload took out of it has ended before another order can be obeyed: its worker has, since a reload
waits for it; its orders for past days are given up here. A courier in the middle of a delivery finds no row to end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import anyio.to_thread

from oddaemon.engine.backfill import Backfiller
from oddaemon.engine.errands import Errands
from oddaemon.engine.fleet import Fleet
from oddaemon.engine.orders import CONFLICT, Desk
from oddaemon.engine.reload import Configuration
from oddaemon.store import forgetting, maintenance, pruning
from oddaemon.store.copying import size_bytes
from oddaemon.store.database import Database
from oddaemon.store.room import size_text
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import OfficeForgotten
from oddaemon.web.control import Document, OrderRefused
from oddaemon.web.tending import TendingOrders


async def prune(database: Database, days: int, now: datetime) -> Document:
    """Forget what is older than so many days.

    Raises:
        StoreError: As `pruning.prune`.
    """
    gone = await pruning.prune(database, now - timedelta(days=days))
    outcome = (
        f"Older than {days} days and gone: {gone.snapshots:,} snapshots, {gone.versions:,} versions of balances, "
        f"{gone.past_days:,} past days, {gone.journal_lines:,} lines of the journal."
    )
    return {"outcome": outcome}


async def vacuum(database: Database) -> Document:
    """Write the file anew.

    Raises:
        StoreError: As `maintenance.vacuum`.
    """
    before = await anyio.to_thread.run_sync(size_bytes, database.path)
    await maintenance.vacuum(database)
    after = await anyio.to_thread.run_sync(size_bytes, database.path)
    return {"outcome": f"{database.path} is written anew: {size_text(before)} before, {size_text(after)} now."}


@dataclass(frozen=True, slots=True)
class ErrandDesk:
    """Takes the orders of one daemon."""

    desk: Desk
    errands: Errands
    configuration: Configuration
    backfiller: Backfiller
    fleet: Fleet
    database: Database
    emit: Callable[[Event], None]

    @property
    def orders(self) -> TendingOrders:
        """All that can be ordered."""
        return TendingOrders(self.forget, self.prune, self.vacuum, self.errands.told)

    async def forget(self, office_id: str, uid: int | None) -> str:
        """Begin to remove everything that is stored of an office; what comes of it is its rows by table.

        Raises:
            OrderRefused: It is configured.
        """
        if office_id in self.fleet.views:
            with self.desk.recorded("forget", office_id, uid):
                raise _configured(office_id)
        return await self.errands.begin("forget", office_id, uid, partial(self._forgotten, office_id))

    async def prune(self, days: int | None, uid: int | None) -> str:
        """Begin to prune; None: what is older than `[state] retain_days`."""
        older_than = days or self.configuration.settings.state.retain_days
        return await self.errands.begin("prune", "", uid, lambda: prune(self.database, older_than, self.fleet.now()))

    async def vacuum(self, uid: int | None) -> str:
        """Begin to write the file anew."""
        return await self.errands.begin("vacuum", "", uid, partial(vacuum, self.database))

    async def _forgotten(self, office_id: str) -> Document:
        async with self.configuration.standing() as settings:
            if any(each.office.id == office_id for each in settings.offices):
                raise _configured(office_id)
            await self.backfiller.give_up(office_id)
            rows = await forgetting.remove(self.database, office_id)
        count = sum(rows.values())
        self.emit(OfficeForgotten(office_id, count))
        return {"outcome": f"{office_id} is forgotten: {count:,} rows.", "rows": rows}


def _configured(office_id: str) -> OrderRefused:
    return OrderRefused(
        CONFLICT,
        f"{office_id} is in the configuration in force.",
        "Take it out of its file, then `oddaemon reload`; an office that is only switched off would be read again.",
    )
