"""Stores the rows of a pull that takes several requests, so that a restart can continue it."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Balance, Checkpoint
from oddaemon.opendental.client import ApiError
from oddaemon.store import open_pulls
from oddaemon.store.database import Database
from oddaemon.store.open_pulls import OpenPull
from oddaemon.telemetry.events import PageStored

PULL_TIME_MAX = timedelta(hours=12)
PULL_REQUESTS_MAX = 50_000
"""Twice the time, and more than twice the requests, that a million guarantors take page by page."""
_INVALIDATES_ROWS = frozenset(
    {
        FailureKind.INCOMPLETE,
        FailureKind.AGING_CHANGED,
        FailureKind.OTHER_DATABASE,
        FailureKind.TOO_MANY_GUARANTORS,
        FailureKind.TOO_SPARSE,
    }
)
"""After one of these, the next attempt begins again."""


class PullStaging:
    """The open pull of one office."""

    def __init__(self, database: Database, office_id: str, scope: str, emit: Callable[[PageStored], None]) -> None:
        self.scope = scope
        self._database = database
        self._office_id = office_id
        self._emit = emit
        self._is_open = False

    async def load(self) -> OpenPull | None:
        """The rows and the checkpoint of an earlier attempt with the same scope; discards any other."""
        pull = await open_pulls.load(self._database, self._office_id)
        if pull is not None and pull.checkpoint.scope != self.scope:
            await self.discard()
            return None
        self._is_open = pull is not None
        return pull

    async def add(self, page: Collection[Balance], checkpoint: Checkpoint, *, rows: int, now: datetime) -> None:
        """Store a page and its checkpoint in one transaction.

        Args:
            page: The new rows.
            checkpoint: How far the pull has come.
            rows: How many guarantors were read so far.
            now: The present.

        Raises:
            ApiError: The pull has taken too much time or too many requests: a peer may send a row a request for ever.
        """
        if now - checkpoint.started_at > PULL_TIME_MAX:
            raise _make_bound_error(f"longer than {PULL_TIME_MAX / timedelta(hours=1):g} h")
        if checkpoint.requests >= PULL_REQUESTS_MAX:
            raise _make_bound_error(f"more than {PULL_REQUESTS_MAX:,} requests")
        # `begin` drops pages of another version, whose checkpoint could not be read.
        store = open_pulls.add_page if self._is_open else open_pulls.begin
        await store(self._database, self._office_id, page, checkpoint)
        self._is_open = True
        self._emit(PageStored(self._office_id, rows, checkpoint.first.totals.guarantors))

    @asynccontextmanager
    async def discard_if_invalid(self) -> AsyncIterator[None]:
        """Delete the stored rows if the block fails in a way that makes them useless."""
        try:
            yield
        except ApiError as error:
            if error.failure.kind in _INVALIDATES_ROWS:
                await self.discard()
            raise

    async def discard(self) -> None:
        """Delete the stored rows."""
        if self._is_open:
            await open_pulls.discard(self._database, self._office_id)
        self._is_open = False


def _make_bound_error(bound: str) -> ApiError:
    return ApiError(Failure(FailureKind.INCOMPLETE, f"the pull took {bound}"))
