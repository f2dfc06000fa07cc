"""A delivery to a hostile PostgreSQL, as a target of the fuzzer, and all scripts in a process of their own."""

import json
import random
import resource
import ssl
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import anyio

from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.postgres.sink import Postgres
from tests.certificates import make_certificate, make_server_context
from tests.hostile.mutation import Mutator
from tests.hostile.postgres.scripts import make_scripts
from tests.hostile.postgres.server import HostilePostgres, make_good_answers
from tests.hostile.target import KEYS
from tests.sinks.payloads import make_payload

TIMEOUT_SECONDS = 20.0
SHORT_TIMEOUT_SECONDS = 1.0
"""For a server that is silent: the delivery waits for all of it."""
AT_ONCE = 8
GROWN_MEGABYTES, STALL_SECONDS = "grown megabytes", "stall seconds"
_BOUNDARY = b"\n#!next request\n"


async def deliver_to(server: HostilePostgres, timeout_seconds: float = TIMEOUT_SECONDS, options: str = "") -> str:
    """Why the delivery failed; empty: it did not. `options`: of the DSN."""
    async with server.listen() as port:
        dsn = f"postgresql://oddaemon:{KEYS[0]}@127.0.0.1:{port}/balances{options}"
        sink = Postgres(dsn, "oddaemon", timeout_seconds)
        try:
            await sink.deliver(make_payload(), "d1")
        except DeliveryFailed as error:
            return str(error)
        finally:
            await sink.aclose()
    return ""


class PostgresTarget:
    """A valid conversation with one corrupted response; the server closes after it."""

    name = "postgres"

    def __init__(self) -> None:
        self._good = make_good_answers(make_payload())

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        at = rng.randrange(len(self._good))
        corrupted = Mutator(rng).mutate_bytes(self._good[at], self._good)
        return bytes([number % 2]) + _BOUNDARY.join((*self._good[:at], corrupted))

    def feed(self, sent: bytes) -> Iterable[str]:
        return [anyio.run(self.meet, sent)]

    def describe(self, sent: bytes) -> tuple[str, bool]:
        """Which client an input is for, and whether over TLS."""
        return self.name, sent[:1] == b"\1"

    async def meet(self, sent: bytes) -> str:
        """What the sink makes of an input."""
        answers = sent[1:].split(_BOUNDARY)
        if not self.describe(sent)[1]:
            return await deliver_to(HostilePostgres(answers))
        directory, tls = self._certificate
        options = f"?sslmode=verify-full&sslrootcert={directory / 'certificate.pem'}"
        return await deliver_to(HostilePostgres(answers, tls=tls), options=options)

    @cached_property
    def _certificate(self) -> tuple[Path, ssl.SSLContext]:
        directory = Path(tempfile.mkdtemp(prefix="oddaemon-fuzz-"))
        make_certificate(directory)
        return directory, make_server_context(directory)


async def play_scripts() -> dict[str, str]:
    """What became of each script. The process's memory and the longest stall of its loop have keys of their own."""
    outcomes: dict[str, str] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stall = 0.0

    async def play(name: str, server: HostilePostgres) -> None:
        async with limiter:
            outcomes[name] = await deliver_to(server, SHORT_TIMEOUT_SECONDS if server.is_silent else TIMEOUT_SECONDS)

    async def measure_stalls() -> None:
        nonlocal stall
        while True:
            started = time.monotonic()
            await anyio.sleep(0.01)
            stall = max(stall, time.monotonic() - started)

    async with anyio.create_task_group() as measuring:
        measuring.start_soon(measure_stalls)
        async with anyio.create_task_group() as tasks:
            for name, server in make_scripts(make_payload()):
                tasks.start_soon(play, name, server)
        measuring.cancel_scope.cancel()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return outcomes | {GROWN_MEGABYTES: str(grown // 1024), STALL_SECONDS: f"{stall:.2f}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(anyio.run(play_scripts)))
