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

from oddaemon.engine.journal.compaction import JournalBuffer, get_office_id
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.journal import JournalEntry, append, list_latest
from oddaemon.telemetry.events import JournalEntriesLost, OfficeErased, OfficeStopped
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.telemetry import Telemetry

PENDING_MAX = 10_000
"""Entries that wait to be written: an hour of trouble of a large fleet, a few megabytes."""
RETRY_SECONDS = 30.0
"""After a write that failed; what is wrong is told by others."""


class JournalRecorder:
    """The journals of one daemon's offices.

    Args:
        telemetry: Tells what happens; takes keys out of what is kept, and the event of entries that were lost.
        now: The wall clock.
        retained_max: Entries of each office that stay.
        write_seconds: From the first entry that waits to the writing of all that do by then.
    """

    def __init__(
        self, telemetry: Telemetry, now: Callable[[], datetime], *, retained_max: int, write_seconds: float
    ) -> None:
        self._telemetry = telemetry
        self._now = now
        self._retained_max = retained_max
        self._write_seconds = write_seconds
        self._buffers: dict[str, JournalBuffer] = {}
        self._pending: deque[JournalEntry] = deque()
        self._writing: tuple[JournalEntry, ...] = ()
        self._lost = 0
        self._write_lock = anyio.Lock()
        self._wakeup = anyio.Event()
        telemetry.subscribe(self._on_event)

    async def run(self, database: Database) -> None:
        """Write what waits whenever something does, until cancelled."""
        while True:
            await self._wakeup.wait()
            await anyio.sleep(self._write_seconds)
            if not await self._write(database):
                await anyio.sleep(RETRY_SECONDS)

    async def flush(self, database: Database) -> None:
        """Write everything, what is folded too: nothing will happen any more."""
        for buffer in self._buffers.values():
            self._enqueue(buffer.flush())
        await self._write(database)

    async def read_tail(self, database: Database, office_id: str, limit: int) -> list[JournalEntry]:
        """The last entries of an office, oldest first, those too that are not written or complete yet.

        Raises:
            StoreError: The database cannot be read.
        """
        buffer = self._buffers.get(office_id)
        unwritten = [entry for entry in (*self._writing, *self._pending) if entry.office_id == office_id]
        unwritten += [] if buffer is None else map(self._redact, buffer.peek())
        stored = await list_latest(database, office_id, limit)
        entries = [*stored, *(entry for entry in unwritten if entry not in stored)]
        return entries[max(0, len(entries) - limit) :]

    def _on_event(self, event: Event) -> None:
        office_id = get_office_id(event)
        if office_id is None:
            return
        if isinstance(event, OfficeErased):
            self._drop_office(office_id)
            return
        buffer = self._buffers.get(office_id)
        if buffer is None:
            buffer = self._buffers[office_id] = JournalBuffer(office_id)
        self._enqueue(buffer.add(event, self._now()))
        if isinstance(event, OfficeStopped):
            del self._buffers[office_id]

    def _drop_office(self, office_id: str) -> None:
        self._buffers.pop(office_id, None)
        self._pending = deque(entry for entry in self._pending if entry.office_id != office_id)

    def _enqueue(self, entries: Iterable[JournalEntry]) -> None:
        for entry in entries:
            self._pending.append(self._redact(entry))
        while len(self._pending) > PENDING_MAX:
            self._pending.popleft()
            self._lost += 1
        if self._pending:
            self._wakeup.set()

    def _redact(self, entry: JournalEntry) -> JournalEntry:
        return replace(entry, fields=self._telemetry.redact_fields(entry.fields))

    async def _write(self, database: Database) -> bool:
        """Write what waits; False: it waits on."""
        async with self._write_lock:
            batch, self._pending = tuple(self._pending), deque()
            self._writing, self._wakeup = batch, anyio.Event()
            try:
                await append(database, batch, self._retained_max)
                batch = ()
            except StoreError:
                return False
            finally:
                # Whatever is not written, because it failed or its turn never came, waits before what came since.
                self._writing = ()
                self._pending.extendleft(reversed(batch))
                self._enqueue(())
                self._report_lost()
        return True

    def _report_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            self._telemetry.emit(JournalEntriesLost(lost))
