"""A real PgBouncer between a test and a server."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import reserved_port
from tests.postgres_server import USER, PostgresServer

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
TIMEOUT_SECONDS = 20.0


@contextmanager
def running_pooler(server: PostgresServer, pool_mode: str) -> Iterator[str]:
    """The URL of the server behind a pooler."""
    with reserved_port() as port:
        configuration = server.directory / f"pgbouncer-{pool_mode}.ini"
        place = f"host={server.directory} port={server.port or 5432}"
        configuration.write_text(
            f"[databases]\npostgres = {place} dbname=postgres user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nauth_type = any\npool_mode = {pool_mode}\nunix_socket_dir =\n",
            encoding="utf-8",
        )
        with _running([str(PROGRAM), "-q", str(configuration)], server.directory):
            _wait_for_port(port)
            yield server.make_url(port=port)


@contextmanager
def _running(command: list[str], directory: Path) -> Iterator[None]:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
    with subprocess.Popen(
        command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the pooler does not start"
            time.sleep(0.05)
        else:
            return
