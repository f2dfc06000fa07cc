"""Commands about sinks: try again, and give up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from oddaemon.admin.commands import CommandLog, Document
from oddaemon.admin.offline_commands import require_sink, retry_deliveries, skip_delivery
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.store.database import Database
from oddaemon.telemetry.events.base import Event


@dataclass(frozen=True, slots=True)
class SinkCommands:
    """Runs them in the daemon. Both raise `CommandRejected`."""

    log: CommandLog
    couriers: CourierPool
    database: Database
    now: Callable[[], datetime]
    emit: Callable[[Event], None]

    async def retry(self, sink: str, office: str | None, uid: int | None) -> Document:
        """As `retry_deliveries`; the sink's courier starts at once."""
        with self.log.record("sink retry", office or "", uid) as reply:
            require_sink(sink, self.couriers.names)
            result = await retry_deliveries(self.database, sink, office, self.now())
            self.couriers.notify((sink,))
            reply(result["outcome"])
            return result

    async def skip(self, sink: str, office: str | None, uid: int | None) -> Document:
        """As `skip_delivery`; the sink's courier starts at once."""
        with self.log.record("sink skip", office or "", uid) as reply:
            require_sink(sink, self.couriers.names)
            result = await skip_delivery(self.database, sink, office, self.now(), self.emit)
            self.couriers.notify((sink,))
            reply(result["outcome"])
            return result
