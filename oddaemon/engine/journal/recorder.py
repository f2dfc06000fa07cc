"""Writes the journals of all offices in the background.

An event costs a few microseconds: it is summarized or queued. One task writes the queue, many entries in one
transaction. While the database cannot be written, entries stay queued; those beyond the limit are dropped and counted.
No office waits or fails because of its journal.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

import anyio

from oddaemon.core.fleet.lease import LeaseLost
from oddaemon.engine.journal.compaction import JournalBuffer, get_office_id
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.journal import JournalEntry, append, list_latest
from oddaemon.telemetry.events import JournalEntriesLost, OfficeErased, OfficeStopped
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.telemetry import Telemetry

PENDING_MAX = 10_000
"""Queued entries: an hour of failures of a large fleet, a few megabytes."""
RETRY_SECONDS = 30.0
"""After a failed write, which `StoreHealth` reports."""


class JournalRecorder:
    """The journals of one daemon's offices.

    Args:
        telemetry: Source of the events; redacts entries, and takes the event of lost entries.
        now: The wall clock.
        retained_max: Entries to keep for each office.
        write_seconds: From the first queued entry to the write.
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
        """Write queued entries until cancelled."""
        while True:
            await self._wakeup.wait()
            await anyio.sleep(self._write_seconds)
            if not await self._write(database):
                await anyio.sleep(RETRY_SECONDS)

    async def flush(self, database: Database) -> None:
        """Write everything, summaries included, at the end of the process."""
        for buffer in self._buffers.values():
            self._enqueue(buffer.flush())
        await self._write(database)

    async def read_tail(self, database: Database, office_id: str, limit: int) -> list[JournalEntry]:
        """The last entries of an office, oldest first, including unwritten and incomplete ones.

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
        """Write the queue. Returns False if that failed; the entries stay queued."""
        async with self._write_lock:
            batch, self._pending = tuple(self._pending), deque()
            self._writing, self._wakeup = batch, anyio.Event()
            try:
                await append(database, batch, self._retained_max)
                batch = ()
            except (StoreError, LeaseLost):
                return False
            finally:
                # Entries that were not written, after a failure or a cancellation, go back to the front.
                self._writing = ()
                self._pending.extendleft(reversed(batch))
                self._enqueue(())
                self._report_lost()
        return True

    def _report_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            self._telemetry.emit(JournalEntriesLost(lost))
