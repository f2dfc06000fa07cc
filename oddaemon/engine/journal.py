"""Keeps the journal of every office, off the way of whoever makes the news.

An event costs its office a few microseconds: it is folded or put where it waits. One task writes what waits, many
entries in one transaction. While the database cannot be written they go on waiting; what there is no room for is
counted and lost, and no office ever waits or fails for it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

import anyio

from oddaemon.engine.folding import Draft, office_of
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.journal import Entry, append, latest
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import JournalEntriesLost, OfficeForgotten, OfficeStopped
from oddaemon.telemetry.telemetry import Telemetry

WAITING_MAX = 10_000
"""Entries that wait to be written: an hour of trouble of a large fleet, a few megabytes."""
RETRY_SECONDS = 30.0
"""After a write that failed; what is wrong is told by others."""


class Journal:
    """The journals of one daemon's offices.

    Args:
        telemetry: Tells what happens; takes keys out of what is kept, and the event of entries that were lost.
        now: The wall clock.
        kept: Entries of each office that stay.
        write_seconds: From the first entry that waits to the writing of all that do by then.
    """

    def __init__(self, telemetry: Telemetry, now: Callable[[], datetime], *, kept: int, write_seconds: float) -> None:
        self._telemetry = telemetry
        self._now = now
        self._kept = kept
        self._write_seconds = write_seconds
        self._drafts: dict[str, Draft] = {}
        self._waiting: deque[Entry] = deque()
        self._writing: tuple[Entry, ...] = ()
        self._lost = 0
        self._turn = anyio.Lock()
        self._news = anyio.Event()
        telemetry.follow(self._take)

    async def keep(self, database: Database) -> None:
        """Write what waits whenever something does, until cancelled."""
        while True:
            await self._news.wait()
            await anyio.sleep(self._write_seconds)
            if not await self._write(database):
                await anyio.sleep(RETRY_SECONDS)

    async def settle(self, database: Database) -> None:
        """Write everything, what is folded too: nothing will happen any more."""
        for draft in self._drafts.values():
            self._queue(draft.close())
        await self._write(database)

    async def tail(self, database: Database, office_id: str, limit: int) -> list[Entry]:
        """The last entries of an office, oldest first, those too that are not written or complete yet.

        Raises:
            StoreError: The database cannot be read.
        """
        draft = self._drafts.get(office_id)
        young = [entry for entry in (*self._writing, *self._waiting) if entry.office_id == office_id]
        young += [] if draft is None else map(self._discreet, draft.open())
        stored = await latest(database, office_id, limit)
        told = [*stored, *(entry for entry in young if entry not in stored)]
        return told[max(0, len(told) - limit) :]

    def _take(self, event: Event) -> None:
        office_id = office_of(event)
        if office_id is None:
            return
        if isinstance(event, OfficeForgotten):
            self._forget(office_id)
            return
        draft = self._drafts.get(office_id)
        if draft is None:
            draft = self._drafts[office_id] = Draft(office_id)
        self._queue(draft.take(event, self._now()))
        if isinstance(event, OfficeStopped):
            del self._drafts[office_id]

    def _forget(self, office_id: str) -> None:
        self._drafts.pop(office_id, None)
        self._waiting = deque(entry for entry in self._waiting if entry.office_id != office_id)

    def _queue(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._waiting.append(self._discreet(entry))
        while len(self._waiting) > WAITING_MAX:
            self._waiting.popleft()
            self._lost += 1
        if self._waiting:
            self._news.set()

    def _discreet(self, entry: Entry) -> Entry:
        return replace(entry, fields=self._telemetry.redact_fields(entry.fields))

    async def _write(self, database: Database) -> bool:
        """Write what waits; False: it waits on."""
        async with self._turn:
            batch, self._waiting = tuple(self._waiting), deque()
            self._writing, self._news = batch, anyio.Event()
            try:
                await append(database, batch, self._kept)
                batch = ()
            except StoreError:
                return False
            finally:
                # Whatever is not written, because it failed or its turn never came, waits before what came since.
                self._writing = ()
                self._waiting.extendleft(reversed(batch))
                self._queue(())
                self._tell_lost()
        return True

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            self._telemetry.emit(JournalEntriesLost(lost))
