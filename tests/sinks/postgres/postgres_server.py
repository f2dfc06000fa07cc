"""A real PostgreSQL on a private socket, started by the test, with a way to be killed and to come back."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
from anyio.abc import ByteStream

USER = "postgres"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def find_missing_requirement() -> str:
    """Why no server can be started; empty: it can."""
    if not PROGRAMS:
        return "no PostgreSQL here (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and not (shutil.which("setpriv") and _find_user()):
        return "root may not run PostgreSQL, and there is no user postgres"
    return ""


def _find_user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return ""


@dataclass(frozen=True)
class PostgresServer:
    """One cluster in a directory of its own."""

    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / ".s.PGSQL.5432"

    def make_dsn(self, host: Path | None = None, user: str = USER, database: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={host or self.directory}"

    def start(self) -> None:
        self._run("pg_ctl", "-D", self.directory / "data", "-w", "-l", self.directory / "log", "start")

    def kill(self) -> None:
        """It is gone as after a power failure."""
        self._run("pg_ctl", "-D", self.directory / "data", "-m", "immediate", "-w", "stop")

    def initialize(self) -> None:
        data = self.directory / "data"
        self._run("initdb", "-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.directory}'\nmax_connections = 20\n")
            # The process is killed, never the machine: what it has written is in the kernel, and no commit waits for a
            # disk that other tests keep busy.
            file.write("fsync = off\nfull_page_writes = off\n")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(PROGRAMS[-1] / program), *map(str, arguments)]
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
        # Not to a pipe: the server would keep it open.
        subprocess.run(command, check=True, cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server that runs, and is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="oddaemon-pg-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(directory, user.pw_uid, user.pw_gid)
    server = PostgresServer(directory)
    try:
        server.initialize()
        server.start()
        yield server
        server.kill()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def forward_connection(server: PostgresServer, client: ByteStream) -> None:
    """A connection of any kind, led to the server's socket."""

    async def forward(source: ByteStream, target: ByteStream) -> None:
        async for chunk in source:
            await target.send(chunk)

    async with client, await anyio.connect_unix(server.socket) as upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(_ignore_disconnects, lambda: forward(upstream, client))
        await _ignore_disconnects(lambda: forward(client, upstream))
        tasks.cancel_scope.cancel()


async def forward_until_cut(
    server: PostgresServer,
    directory: Path,
    bytes_max: int,
    cut: anyio.Event,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    """A way to the server that is cut, and the server killed, once this number of bytes went to it.

    Args:
        server: where to.
        directory: where the way begins.
        bytes_max: how many go through.
        cut: set when it was.
        task_status: started when a client can connect.
    """
    listener = await anyio.create_unix_listener(directory / ".s.PGSQL.5432")
    left = bytes_max

    async def forward(source: ByteStream, target: ByteStream, *, counted: bool) -> None:
        nonlocal left
        async for chunk in source:
            if counted:
                left -= len(chunk)
            if left < 0 and not cut.is_set():
                cut.set()
                await anyio.to_thread.run_sync(server.kill)
            if left < 0:
                return
            await target.send(chunk)

    async def connection(client: ByteStream) -> None:
        async with client, await anyio.connect_unix(server.socket) as upstream, anyio.create_task_group() as tasks:
            tasks.start_soon(_ignore_disconnects, lambda: forward(upstream, client, counted=False))
            await _ignore_disconnects(lambda: forward(client, upstream, counted=True))
            tasks.cancel_scope.cancel()

    async with listener:
        task_status.started()
        await listener.serve(connection)


async def _ignore_disconnects(forward: Callable[[], Awaitable[None]]) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await forward()
