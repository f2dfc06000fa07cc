import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.version import prepare
from tests.store.filled_database import fill_database

NOBODY_UID = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oddaemon.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        yield database


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a disk of its own needs the right to mount: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def remount(small_disk: Path) -> Callable[[str], None]:
    """Mount the small disk `ro` or `rw`."""

    def run(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(small_disk)], check=True)

    return run


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A directory in which this process is subject to permissions, root or not."""
    user = os.geteuid()
    # Alembic reads its scripts whenever it makes a database.
    if user == 0 and not all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(__file__).resolve().parents):
        pytest.skip("another user may not enter the directory of this checkout")
    place = Path(tempfile.mkdtemp(prefix="oddaemon-disk-"))
    # Python loads some of itself only when it is needed, and may lie where only root can look.
    (warm := tmp_path / "warm.db").touch()
    prepare(warm)
    if user == 0:
        os.chown(place, NOBODY_UID, NOBODY_UID)
        os.seteuid(NOBODY_UID)
    yield place
    os.seteuid(user)
    shutil.rmtree(place)
