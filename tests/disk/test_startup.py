"""The real process and a database that it cannot use: an end with a sentence, or patience with a reason."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest

from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.commands.test_run import write_paused_config
from tests.cli.processes import ENVIRONMENT, TIMEOUT_SECONDS, run_command, wait_for_output
from tests.disk.test_locked_and_slow import locked_database
from tests.ports import reserved_port


async def _create_database(path: Path) -> None:
    async with SqliteDatabase.open(str(path)):
        pass


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    anyio.run(_create_database, path)
    return path


def test_a_newer_database_ends_it_with_a_sentence(tmp_path: Path, database_path: Path) -> None:
    with closing(sqlite3.connect(database_path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    done = run_command("run", "--config", str(write_paused_config(tmp_path)), cwd=tmp_path)
    assert done.returncode == 1
    assert "has revision 9999, made by a newer oddaemon" in done.stderr
    assert "Run the newer oddaemon again" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_database_ends_it_with_a_sentence(tmp_path: Path, database_path: Path) -> None:
    os.truncate(database_path, 8192)
    done = run_command("run", "--config", str(write_paused_config(tmp_path)), cwd=tmp_path)
    assert done.returncode == 1
    assert "it is damaged" in done.stderr
    assert "restore the last backup" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_locked_database_is_waited_for_and_systemd_knows_why(tmp_path: Path, database_path: Path) -> None:
    output = tmp_path / "log"
    with (
        reserved_port() as port,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        output.open("wb") as file,
    ):
        config = write_paused_config(tmp_path, f"127.0.0.1:{port}")
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(TIMEOUT_SECONDS)
        with locked_database(database_path):
            process = subprocess.Popen(
                [sys.executable, "-m", "oddaemon", "run", "--config", str(config)],
                env=ENVIRONMENT | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
                stdout=file,
                stderr=file,
            )
            try:
                wait_for_output('"store_failed"', output, process)
                refusal = httpx.get(f"http://127.0.0.1:{port}/-/ready")
                assert refusal.status_code == 503
                assert "another program keeps it locked" in refusal.text
                assert httpx.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200
                assert "oddaemon_store_healthy 0.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
                messages = _read_until(manager, "STATUS=Not ready: ")
                assert any(each.startswith("EXTEND_TIMEOUT_USEC=") for each in messages)
                assert "READY=1" not in messages
                process.send_signal(signal.SIGHUP)
            except BaseException:
                process.kill()
                process.wait()
                raise
        try:
            _read_until(manager, "READY=1")
            # What was asked for while it waited.
            _read_until(manager, "RELOADING=1")
            _read_until(manager, "READY=1")
            assert httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == 0
        finally:
            process.kill()
            process.wait()


def _read_until(manager: socket.socket, beginning: str) -> list[str]:
    """The messages to systemd, up to the first with this prefix."""
    messages: list[str] = []
    while not (messages and messages[-1].startswith(beginning)):
        messages.append(manager.recv(4096).decode())
    return messages
