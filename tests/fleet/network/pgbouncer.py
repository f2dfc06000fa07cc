"""A real pgbouncer in front of a server, as a test needs it."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import reserved_port
from tests.postgres_server import USER, PostgresServer

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running_pgbouncer(server: PostgresServer, pool_mode: str) -> Iterator[int]:
    """A pooler for the length of the block; gives its port of 127.0.0.1."""
    assert PROGRAM is not None
    with reserved_port() as port:
        path = server.directory / "pgbouncer.ini"
        path.write_text(render_configuration(server, port, pool_mode), encoding="utf-8")
        command = [PROGRAM, "--quiet", str(path)]
        if os.geteuid() == 0:  # which it refuses to run as
            user = pwd.getpwnam("postgres")
            command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
        with subprocess.Popen(command, cwd=server.directory, stderr=subprocess.DEVNULL) as process:
            try:
                yield port
            finally:
                process.kill()


def render_configuration(server: PostgresServer, port: int, pool_mode: str) -> str:
    """The file of a pooler that trusts everyone."""
    socket_port = int(Path(server.socket).suffix.removeprefix("."))
    return (
        f"[databases]\npostgres = host={server.directory} port={socket_port} user={USER}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {pool_mode}\nignore_startup_parameters = extra_float_digits,options\n"
    )
