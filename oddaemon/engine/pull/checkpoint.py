"""Where a pull that takes several requests keeps what it has, so that a restart goes on from there."""

from collections.abc import Callable, Sequence

from oddaemon.core.model import Balance, Checkpoint
from oddaemon.store import open_pulls
from oddaemon.store.database import Database
from oddaemon.store.open_pulls import OpenPull
from oddaemon.telemetry.events import PageStored


class PullStaging:
    """The open pull of one office."""

    def __init__(self, database: Database, office_id: str, scope: str, emit: Callable[[PageStored], None]) -> None:
        self.scope = scope
        self._database = database
        self._office_id = office_id
        self._emit = emit
        self._is_open = False

    async def load(self) -> OpenPull | None:
        """The rows and the checkpoint of a former attempt under the same wish; any other is forgotten."""
        pull = await open_pulls.load(self._database, self._office_id)
        if pull is not None and pull.checkpoint.scope != self.scope:
            await self.discard()
            return None
        self._is_open = pull is not None
        return pull

    async def add(self, page: Sequence[Balance], checkpoint: Checkpoint, rows: int) -> None:
        """Store a page and how far the pull has come, both or neither.

        Args:
            page: What came.
            checkpoint: How far that reaches.
            rows: How many guarantors there are so far.
        """
        # A new pull drops what was there: pages of a version whose checkpoint could not be read.
        store = open_pulls.add_page if self._is_open else open_pulls.begin
        await store(self._database, self._office_id, page, checkpoint)
        self._is_open = True
        self._emit(PageStored(self._office_id, rows, checkpoint.first.totals.guarantors))

    async def discard(self) -> None:
        """Forget what was read."""
        if self._is_open:
            await open_pulls.discard(self._database, self._office_id)
        self._is_open = False
