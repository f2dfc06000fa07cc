"""One daemon per database file.

The kernel's `flock` on `<database>.lock` decides, so a killed process frees it by itself and a copied or left-over lock
file means nothing. What stands in the file is only there to tell the second one who the first is. The file is never
removed: a lock on a file that no longer has a name keeps nobody out.
"""

import fcntl
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import msgspec

from oddaemon.store.errors import DatabaseLocked
from oddaemon.store.sqlite.errors import translate_errors


class LockOwner(msgspec.Struct, frozen=True):
    """Who wrote the lock file last: the process that holds the lock, while anybody does."""

    pid: int
    host: str
    since: datetime


@asynccontextmanager
async def hold_lock(database: Path) -> AsyncIterator[None]:
    """Hold the database's lock for the length of the block.

    Raises:
        DatabaseHeld: another process, or another block of this one, holds it.
        DatabaseUnusable: the lock file cannot be made.
    """
    descriptor = await anyio.to_thread.run_sync(_acquire, database)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_release, descriptor)


def get_lock_path(database: Path) -> Path:
    """Where the lock of this database is."""
    return database.with_name(database.name + ".lock")


def _acquire(database: Path) -> int:
    path = get_lock_path(database)
    with translate_errors(database):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise DatabaseLocked(
                f"The database {database} is in use by {_describe_owner(path)}.",
                "Stop that one first, or give this one a database of its own: [state] database.",
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        owner = LockOwner(os.getpid(), socket.gethostname(), datetime.now(UTC).replace(microsecond=0))
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(owner) + b"\n", 0)
        except OSError:
            # Left open it would hold the lock for as long as the process lives, against its own next attempt.
            os.close(descriptor)
            raise
        return descriptor


def _release(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.close(descriptor)


def _describe_owner(path: Path) -> str:
    try:
        owner = msgspec.json.decode(path.read_bytes(), type=LockOwner)
    except (msgspec.DecodeError, OSError):
        return f"another oddaemon that has not said which (see `fuser {path}`)"
    return f"another oddaemon: process {owner.pid} on {owner.host} since {owner.since:%Y-%m-%dT%H:%M:%SZ}"
