"""A MariaDB server of one's own: a private directory, a private socket, no network; ended by its process id.

It is Debian's `mariadb-server` as it comes, but for `group_concat_max_len`, which is that of MySQL and of a MariaDB
before 10.2: the smallest that offices have.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pymysql

GROUP_CONCAT_BYTES_MAX = 1024
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
SERVER_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
SMALL = (
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=8M",
    "--innodb-flush-log-at-trx-commit=0",
)


class MariaDbNotInstalled(Exception):
    """This machine has no MariaDB server; the message says how to get one."""


class MariaDbStartFailed(Exception):
    """The server did not come up; the message holds the end of its log."""


class MariaDbServer:
    """A running server.

    Args:
        directory: Empty; everything that the server writes stays in it.

    Raises:
        NotInstalledError: The programs are not on this machine.
        StartError: The server ended, or did not answer in time.
    """

    def __init__(self, directory: Path) -> None:
        self._data, self._socket, self._log = directory / "data", directory / "socket", directory / "log"
        account = f"--user={pwd.getpwuid(os.getuid()).pw_name}"
        # A server that starts clears its temporary directory, which must not be another one's.
        temporary = directory / "tmp"
        temporary.mkdir()
        places = ("--no-defaults", account, f"--datadir={self._data}", f"--tmpdir={temporary}", *SMALL)
        install = [_find_program("mariadb-install-db"), *places, "--auth-root-authentication-method=normal"]
        server = [
            _find_program("mariadbd"),
            *places,
            f"--socket={self._socket}",
            "--skip-networking",
            f"--pid-file={directory / 'pid'}",
            f"--group-concat-max-len={GROUP_CONCAT_BYTES_MAX}",
        ]
        with self._log.open("wb") as log:
            installed = subprocess.run([*install, "--skip-test-db"], stdout=log, stderr=log, check=False)
            if installed.returncode:
                raise MariaDbStartFailed(self._read_log_tail())
            self._process = subprocess.Popen(server, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def connect(self, charset: str = "utf8mb4", user: str = "root") -> pymysql.Connection:
        """A connection in a character set of the client's choice."""
        return pymysql.connect(unix_socket=str(self._socket), user=user, charset=charset, autocommit=True)

    def get_table_file(self, database: str, name: str) -> Path:
        """The file of a MyISAM table, to be damaged."""
        return self._data / database / name

    def stop(self) -> None:
        """End the process, by force if it does not go in time."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as knock:
                if knock.connect_ex(str(self._socket)) == 0:
                    return
            time.sleep(0.02)
        raise MariaDbStartFailed(self._read_log_tail())

    def _read_log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


def _find_program(name: str) -> str:
    found = shutil.which(name, path=SERVER_PATH)
    if found is None:
        raise MariaDbNotInstalled(f"{name} is not on this machine: apt-get install mariadb-server")
    return found
