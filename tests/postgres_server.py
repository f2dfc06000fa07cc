"""A real PostgreSQL of its own, started by the test, that can be killed, restarted, frozen, copied and promoted.

Every function blocks: run it in a thread where an event loop must go on. A server listens on a private socket and, if
wanted, on a port of 127.0.0.1.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg

from tests.ports import reserved_port

USER = "postgres"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SOCKET_PORT = 5432
"""In the name of the socket of a server without a port."""
TIMEOUT_SECONDS = 60.0
SETTINGS = {
    "max_connections": "20",
    # The process is killed, never the machine: what it has written is in the kernel, no page is torn, and no commit
    # waits for a disk that other tests keep busy.
    "fsync": "off",
    "full_page_writes": "off",
}


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
    port: int | None = None
    """On 127.0.0.1; None: only the socket."""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def get_port(self) -> int:
        """Its port on 127.0.0.1, which it has."""
        assert self.port is not None, "it has only its socket"
        return self.port

    @property
    def socket(self) -> Path:
        return self.directory / f".s.PGSQL.{self.port or SOCKET_PORT}"

    def make_dsn(self, host: Path | None = None, user: str = USER, database: str = "postgres") -> str:
        """The URL of its socket, or of one of the same name elsewhere."""
        port = "" if self.port is None else f"&port={self.port}"
        return f"postgresql://{user}@/{database}?host={host or self.directory}{port}"

    def make_url(self, user: str = USER, database: str = "postgres", port: int | None = None) -> str:
        """The URL of its port, or of another one that leads to it."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-l", self.directory / "log", "start")

    def kill(self) -> None:
        """It is gone as after a power failure."""
        self.stop("immediate")

    def stop(self, mode: Literal["smart", "fast", "immediate"]) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def restart(self, mode: Literal["fast", "immediate"]) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-l", self.directory / "log", "restart")

    def promote(self) -> None:
        """From a standby to a primary of a new timeline."""
        self._run("pg_ctl", "-D", self.data, "-w", "promote")

    def pause(self) -> None:
        """Stop every process of it where it is."""
        # The parent first, so that no child is started meanwhile.
        for pid in self._list_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in reversed(self._list_processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute one statement as the superuser, outside of a transaction; gives its rows, if it has any."""
        with psycopg.connect(self.make_dsn(database=database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create_user(self, name: str, password: str, options: str = "") -> None:
        """A role that must give its password, on the port and on the socket."""
        self.execute(f"CREATE ROLE {name} LOGIN {options} PASSWORD '{password}'")
        rules = self.data / "pg_hba.conf"
        own = f"local all {name} scram-sha-256\nhost all {name} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(own + rules.read_text(encoding="utf-8"), encoding="utf-8")
        self.execute("SELECT pg_reload_conf()")

    def initialize(self, settings: Mapping[str, str] | None = None) -> None:
        self._run("initdb", "-D", self.data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        self.configure({**SETTINGS, **(settings or {})})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Where it listens, and these settings; counts from its next start."""
        own = {
            "listen_addresses": "" if self.port is None else "127.0.0.1",
            "port": str(self.port or SOCKET_PORT),
            "unix_socket_directories": str(self.directory),
        }
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in {**own, **settings}.items())

    def use_tls(self, certificate: Path) -> None:
        """Restart it with the certificate and the key of this directory."""
        for name in ("certificate.pem", "key.pem"):
            own = self.directory / name
            shutil.copy(certificate / name, own)
            own.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(own, pwd.getpwnam("postgres").pw_uid)
        files = {"ssl_cert_file": "certificate.pem", "ssl_key_file": "key.pem"}
        self.configure({"ssl": "on", **{setting: str(self.directory / name) for setting, name in files.items()}})
        self.restart("fast")

    @contextmanager
    def standby(self, *, synchronous: bool) -> Iterator["PostgresServer"]:
        """A second server that follows this one, with a port if this one has one.

        Args:
            synchronous: Whether a commit of this server waits until the other one has it, too.
        """
        with _private_server(has_port=self.port is not None) as follower:
            self._run(
                *("pg_basebackup", "-D", follower.data, "-h", self.directory, "-p", str(self.port or SOCKET_PORT)),
                *("-U", USER, "-X", "stream", "-R", "--checkpoint=fast", "--no-sync"),
            )
            follower.configure({})
            follower.start()
            if synchronous:
                self.execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
                self.execute("SELECT pg_reload_conf()")
            wanted = ("quorum",) if synchronous else ("async",)
            _wait_until(lambda: wanted in self.execute("SELECT sync_state FROM pg_stat_replication"))
            try:
                yield follower
            finally:
                follower.end()

    def end(self) -> None:
        """Kill it, if it runs, also while it is paused."""
        parent = self._find_parent()
        if parent is not None and Path(f"/proc/{parent}").exists():
            self.resume()
            self.kill()

    def _find_parent(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except FileNotFoundError:
            return None

    def _list_processes(self) -> list[int]:
        """The parent, then its children."""
        parent = self._find_parent()
        assert parent is not None, "it does not run"
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
        return [parent, *map(int, children.split())]

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(PROGRAMS[-1] / program), *map(str, arguments)]
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
        # Not to a pipe: the server would keep it open.
        subprocess.run(command, check=True, cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def running_server(*, has_port: bool = False, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server that runs, and is gone afterwards.

    Args:
        has_port: Whether it listens on a free port of 127.0.0.1, too.
        settings: More of its configuration, such as `max_connections`.
    """
    with _private_server(has_port=has_port) as server:
        server.initialize(settings)
        server.start()
        try:
            yield server
        finally:
            server.end()


@contextmanager
def _private_server(*, has_port: bool) -> Iterator[PostgresServer]:
    """A place for a server: a directory, and a port that is its own until the end."""
    directory = Path(tempfile.mkdtemp(prefix="oddaemon-pg-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(directory, user.pw_uid, user.pw_gid)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        yield PostgresServer(directory, stack.enter_context(reserved_port()) if has_port else None)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the server does not do it"
        time.sleep(0.05)
