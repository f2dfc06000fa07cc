"""Servers of the benches, started and ended."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bench_server(offices: int, guarantors: int, base_seconds: float = 0.0) -> Iterator[str]:
    """The base URL of a fresh server."""
    command = [sys.executable, "-m", "tests.bench.server", str(offices), str(guarantors), str(base_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.kill()
