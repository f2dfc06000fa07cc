"""Guarantors a second from the socket to the commit, beside a plain script that pages the same offices.

Waiting for aging and its probes are left out on this side, and the script has none. The script has no second night: it
writes every row again, into a fresh database.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import anyio

from oddaemon.core.model import Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.harness.figure import Better, Measurement, divide_pairwise, make_figure
from tests.bench.harness.rounds import interleave
from tests.bench.plain_script import pull_balances as pull_plainly
from tests.bench.processes import bench_server
from tests.bench.reading.nights import run_two_nights
from tests.bench.server import ServerSpec

OFFICES = 16
GUARANTORS = 4_000
ROUNDS = 7
GOALS = {(Reader.STATEMENT, 0): 6.0, (Reader.STATEMENT, 1): 10.0, (Reader.PAGES, 0): 1.3, (Reader.PAGES, 1): None}
NIGHTS = ("first night", "ordinary night, 8 % changed")


def measure() -> Measurement:
    """Rates of the script, of both readers and of both nights."""
    office_ids = [f"office-{number:04}" for number in range(OFFICES)]
    tune_garbage_collector()  # as the daemon does, and for both sides
    with bench_server(ServerSpec(OFFICES, GUARANTORS, has_second_night=True)) as base_url:
        variants = {"script": partial(_run_script, base_url, office_ids)} | {
            reader.value: partial(_run_engine, base_url, office_ids, reader)
            for reader in (Reader.STATEMENT, Reader.PAGES)
        }
        # The first round fills the server's memory.
        rates = yield from interleave(variants, ROUNDS, warm_ups=1)
    script = [each for (each,) in rates["script"]]
    yield make_figure("plain httpx + sqlite3 script", script, "guarantors/s", Better.NEITHER)
    for (reader, night), goal in GOALS.items():
        rate = [each[night] for each in rates[reader.value]]
        yield make_figure(f"{reader.value}, {NIGHTS[night]}", rate, "guarantors/s", Better.MORE)
        name = f"{reader.value}, {NIGHTS[night]}, as a multiple of the script"
        yield make_figure(name, divide_pairwise(rate, script), "x", Better.MORE, goal=goal)


def _run_script(base_url: str, office_ids: list[str]) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        rows = pull_plainly(base_url, office_ids, Path(directory) / "script.db")
        assert rows == OFFICES * GUARANTORS
        return (rows / (time.perf_counter() - started),)


def _run_engine(base_url: str, office_ids: list[str], reader: Reader) -> tuple[float, ...]:
    return tuple(night.guarantors / night.seconds for night in anyio.run(run_two_nights, base_url, office_ids, reader))
