"""The loader of configurations: the main file, and any file in the directory of offices."""

import os
import random
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

from oddaemon.settings import try_load
from tests.hostile.mutation import Mutator
from tests.hostile.target import KEYS, Violation

MAIN = f"""\
[api]
base_url = "https://api.opendental.com/api/v1"
max_in_flight = 8
max_requests_per_second = 4.5
developer_key = "{KEYS[0]}"
[state]
database = "od.db"
retain_days = 30
[http]
listen = "127.0.0.1:0"
allowed_hosts = ["balances.example.com", "10.0.0.7"]
control_socket = "c.sock"
[offices]
directory = "offices.d"
[cadence]
probe_seconds = 1.5
[plausibility]
max_change = 0.25
[log]
format = "json"
[maintenance]
wal_checkpoint = "15 3 * * 1-5"
""".encode()
OFFICES = f"""\
[[office]]
id = "smile"
name = "Smile"
timezone = "America/Denver"
tier = "enterprise"
clinics = [1, 2]
fresh_by = "06:30"
enabled = true
customer_key = "{KEYS[1]}"
[office.labels]
region = "west"
[[office]]
id = "grin"
base_url = "http://10.0.0.7:30223/api/v1"
min_interval_seconds = 0.5
reader = "pages"
customer_key_file = "grin.key"
""".encode()
_BOUNDARY = b"\n#!another file\n"
_LINKS = {
    "loop": "b.toml",
    "dangling": "nowhere",
    "device": "/dev/null",
    "endless": "/dev/zero",
    "proc": "/proc/self/maps",
}
_NAMES = {"bytes": b"/\xff\xfe.toml", "lines": b"/b\n\x1b[31mAll is well.toml"}
_ODD_FILES = (*_LINKS, *_NAMES, "pipe", "socket", "directory", "unreadable")


class ConfigTarget:
    """Two files and an odd one, as an editor, a script or a command in the wrong directory leaves them."""

    name = "configuration"

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        mutator = Mutator(rng)
        main = mutator.mutate_bytes(MAIN, (OFFICES,)) if rng.random() < 0.6 else MAIN
        offices = mutator.mutate_bytes(OFFICES, (MAIN,)) if rng.random() < 0.7 else OFFICES
        odd = rng.choice(_ODD_FILES) if rng.random() < 0.2 else "none"
        return _BOUNDARY.join((main, offices, odd.encode()))

    def feed(self, sent: bytes) -> Iterable[str]:
        main, offices, odd = [*sent.split(_BOUNDARY, 2), b"", b""][:3]
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name) / "offices.d"
            directory.mkdir()
            (Path(name) / "oddaemon.toml").write_bytes(main)
            (directory / "a.toml").write_bytes(offices)
            key = directory / "grin.key"
            key.write_text(KEYS[2])
            key.chmod(0o600)
            _put_odd_file(directory, odd.decode("ascii", "replace"))
            loaded = try_load(Path(name) / "oddaemon.toml", {})
        if (loaded.settings is None) != bool(loaded.problems):
            raise Violation("neither settings nor problems, or both")
        yield repr(loaded)
        for problem in (*loaded.problems, *loaded.warnings):
            text = str(problem)
            text.encode()
            yield text


def _put_odd_file(directory: Path, odd: str) -> None:
    path = directory / "b.toml"
    match odd:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
        case "directory":
            path.mkdir()
        case "unreadable":
            path.write_text("x")
            path.chmod(0)
        case _ if odd in _LINKS:
            path.symlink_to(_LINKS[odd])
        case _ if odd in _NAMES:
            Path(os.fsdecode(os.fsencode(directory) + _NAMES[odd])).write_text("x")
        case _:
            pass
