"""What a SQLite file needs and what can be done with it, beside reading and writing rows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import anyio.to_thread

from oddaemon.store.errors import DatabaseDamaged
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.copy import get_size_bytes
from oddaemon.store.sqlite.disk_space import format_size
from oddaemon.store.sqlite.location import get_wal_bytes
from oddaemon.store.sqlite.maintenance import erase, health_check, vacuum
from oddaemon.store.sqlite.maintenance.info import read_database_info


class SqliteUpkeep:
    """As `Upkeep`.

    Args:
        database: Open for writing; for `read_info`, for reading.
    """

    slow_advice = "Check what else uses this disk, and whether the disk is failing."
    can_back_up = True

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    @property
    def jobs(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """As `Upkeep.jobs`."""
        return {
            "incremental_vacuum": self._run_incremental_vacuum,
            "wal_checkpoint": self._truncate_wal,
            "integrity_check": self._check_integrity,
        }

    async def require_healthy(self) -> None:
        """As `Upkeep.require_healthy`: the files are in place and complete, and no write is stuck."""
        await health_check.require_healthy(self._database)

    async def try_writing(self) -> None:
        """As `Upkeep.try_writing`: into the header of the file."""
        await health_check.try_writing(self._database)

    def get_log_bytes(self) -> int | None:
        """As `Upkeep.get_log_bytes`."""
        return get_wal_bytes(self._database.path)

    async def reclaim_pruned(self) -> None:
        """As `Upkeep.reclaim_pruned`: nothing, as the next nights write into the free pages."""

    async def vacuum(self) -> str:
        """As `Upkeep.vacuum`: rewrite the file. Writers wait, readers do not."""
        path = self._database.path
        size_before = await anyio.to_thread.run_sync(get_size_bytes, path)
        await vacuum.vacuum(self._database)
        size_after = await anyio.to_thread.run_sync(get_size_bytes, path)
        return f"Vacuumed {path}: {format_size(size_before)} before, {format_size(size_after)} now."

    async def back_up(self, directory: Path, keep: int, now: datetime) -> str:
        """As `Upkeep.back_up`."""
        result = await vacuum.rotate_backups(self._database, directory, keep, now)
        made = f"{result.backup.path}: {format_size(result.backup.size_bytes)}, checked"
        return f"{made}; {result.retained} kept, {len(result.removed)} removed."

    async def erase_office(self, office_id: str) -> dict[str, int]:
        """As `Upkeep.erase_office`: with the bytes that its rows left in the file."""
        return await erase.erase_office(self._database, office_id)

    async def read_info(self) -> dict[str, object]:
        """As `Upkeep.read_info`."""
        return asdict(await read_database_info(self._database))

    async def _run_incremental_vacuum(self) -> str:
        result = await vacuum.run_incremental_vacuum(self._database)
        return f"Freed {format_size(result.freed_bytes)}; kept {format_size(result.spare_bytes)} for new data."

    async def _truncate_wal(self) -> str:
        await vacuum.truncate_wal(self._database)
        return "The write-ahead log was emptied."

    async def _check_integrity(self) -> str:
        problems = await vacuum.check_integrity(self._database)
        if problems:
            raise DatabaseDamaged(self._database.path, "; ".join(problems))
        return "The database is intact."
