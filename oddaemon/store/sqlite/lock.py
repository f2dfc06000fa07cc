"""One daemon per database file.

The kernel's `flock` on `<database>.lock` decides: it is released when a process dies, and a copied or left-over lock
file has no effect. The content of the file only names the owner in the error message of a second process. The file is
never removed: a lock on a file without a name excludes no one.
"""

import fcntl
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import msgspec

from oddaemon.store.errors import DatabaseLocked
from oddaemon.store.sqlite.errors import translate_errors


class LockOwner(msgspec.Struct, frozen=True):
    """The process that wrote the lock file last; it holds the lock if the lock is held."""

    pid: int
    host: str
    since: datetime


@asynccontextmanager
async def hold_lock(database: Path) -> AsyncIterator[None]:
    """Hold the database's lock for the length of the block.

    Raises:
        DatabaseLocked: another process, or another block of this one, holds it.
        DatabaseUnusable: the lock file cannot be created.
    """
    descriptor = await anyio.to_thread.run_sync(_acquire, database)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_release, descriptor)


@contextmanager
def hold_lock_in_thread(database: Path) -> Iterator[None]:
    """The same without an event loop. Raises as `hold_lock` does."""
    descriptor = _acquire(database)
    try:
        yield
    finally:
        _release(descriptor)


def get_lock_path(database: Path) -> Path:
    """The lock file of this database."""
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
                "Stop that process first, or set another file in [state] database.",
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        owner = LockOwner(os.getpid(), socket.gethostname(), datetime.now(UTC).replace(microsecond=0))
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(owner) + b"\n", 0)
        except OSError:
            # An open descriptor would keep the lock, against the next attempt of this process.
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
        return f"another oddaemon (see `fuser {path}`)"
    return f"another oddaemon: process {owner.pid} on {owner.host} since {owner.since:%Y-%m-%dT%H:%M:%SZ}"
