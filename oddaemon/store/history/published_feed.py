"""Reads each snapshot once, as the offices' snapshots are published."""

from datetime import datetime, timedelta

from oddaemon.core.model import PublishedSnapshot
from oddaemon.store import snapshots
from oddaemon.store.database import Database

SETTLE_AFTER = timedelta(minutes=2)
"""Longer than any transaction of a publication is open."""


class PublishedFeed:
    """What was published since the last call.

    Ids are given in order, but where several processes publish, a snapshot may be committed after one with a higher
    id. So the ids just below the newest are read again, without the snapshots that are known.
    """

    def __init__(self) -> None:
        self._settled_id = 0
        """Every snapshot up to it was read."""
        self._known: dict[int, datetime] = {}
        """Those after it that were read, and when they were published."""

    async def read_new(self, db: Database, since: datetime) -> list[PublishedSnapshot]:
        """The snapshots of all offices that were published since then and not read before, oldest first.

        Raises:
            DatabaseUnusable: the database fails; the next call reads them.
        """
        found = await snapshots.list_published(db, since, self._settled_id, self._known)
        known = self._known | {each.id: each.published_at for each in found}
        settled_until = max(known.values(), default=since) - SETTLE_AFTER
        settled_ids = [snapshot_id for snapshot_id, at in known.items() if at < settled_until]
        self._settled_id = max([self._settled_id, *settled_ids])
        self._known = {snapshot_id: at for snapshot_id, at in known.items() if snapshot_id > self._settled_id}
        return found
