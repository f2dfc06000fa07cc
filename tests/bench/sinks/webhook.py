"""Deliveries of 100 guarantors by webhook, beside a plain sender that stores its state."""

import base64
import hashlib
import hmac
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import httpx

from oddaemon.core.model import OfficeSpec
from oddaemon.core.office.machine import make_initial_state
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier import Courier
from oddaemon.engine.fleet.holder import SoleHolder
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import Secret
from oddaemon.settings.tables.sink import WebhookSettings
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import OutboxSize
from oddaemon.telemetry.events.base import Event
from tests.bench.harness.figure import Better, Measurement, divide_pairwise, make_figure
from tests.bench.harness.rounds import interleave
from tests.bench.sinks.sample import make_balances, make_snapshot
from tests.store.configured import register_offices

OFFICES = 300
GUARANTORS = 100
ROUNDS = 5
KEY = b"a-secret-of-the-bench-only-32-by"

RateAndCpu = tuple[float, float]
"""Deliveries a second by the clock, and milliseconds of processor time of each."""


def measure() -> Measurement:
    """The script and the courier in turn, each round with a database of its own."""
    with _push_receiver() as url:
        variants = {"script": partial(_run_script, url), "courier": partial(_run_courier, url)}
        found = yield from interleave(variants, ROUNDS, warm_ups=1)
    rates = {name: [rate for rate, _ in each] for name, each in found.items()}
    cpu = {name: [milliseconds for _, milliseconds in each] for name, each in found.items()}
    what = f"of {GUARANTORS} guarantors"
    yield make_figure(f"{what}, plain httpx + sqlite3 sender", rates["script"], "deliveries/s", Better.NEITHER)
    yield make_figure(f"{what}, outbox to acknowledgement", rates["courier"], "deliveries/s", Better.MORE)
    ratio = divide_pairwise(rates["courier"], rates["script"])
    yield make_figure(f"{what}, as a multiple of the sender", ratio, "x", Better.MORE, goal=0.8)
    yield make_figure(f"{what}, plain sender, CPU of a delivery", cpu["script"], "ms", Better.NEITHER)
    yield make_figure(f"{what}, courier, CPU of a delivery", cpu["courier"], "ms")


def _run_courier(url: str) -> RateAndCpu:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        anyio.run(_publish_all, path)
        return anyio.run(_time_courier, path, url)


async def _publish_all(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        ids = [f"office-{number}" for number in range(OFFICES)]
        await register_offices(database, [OfficeSpec(each, each) for each in ids])
        now = datetime.now(UTC)
        rows = make_snapshot(make_balances(GUARANTORS))
        for each in ids:
            await snapshots.publish(database, each, rows, make_initial_state(now), now, sinks=["push"])


async def _time_courier(path: Path, url: str) -> RateAndCpu:
    over = anyio.Event()

    def emit(event: Event) -> None:
        if isinstance(event, OutboxSize) and not event.pending:
            over.set()

    async with SqliteDatabase.open(str(path)) as database:
        sink = Webhook(WebhookOptions(url, KEY, 5_000, 60.0, compressed=True), _get_now)
        context = EngineContext(database, SoleHolder(database), _get_now, RateLimiter(1, 1.0), random.Random(1), emit)
        settings = WebhookSettings(name="push", kind="webhook", url=Secret(url), secret=Secret("unused"))
        courier = Courier(settings, sink, context)
        async with anyio.create_task_group() as tasks:
            started, cpu = time.perf_counter(), time.process_time()
            tasks.start_soon(courier.run)
            await over.wait()
            found = _describe_run(started, cpu)
            courier.drain()
    return found


def _describe_run(started: float, cpu: float) -> RateAndCpu:
    return OFFICES / (time.perf_counter() - started), 1000 * (time.process_time() - cpu) / OFFICES


def _run_script(url: str) -> RateAndCpu:
    """Read, sign and post one office after another, and write down each acknowledgement durably.

    The state is one row an office in a file of its own, in the mode of SQLite that oddaemon uses: a sender without it
    sends everything again after a crash, or nothing.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        anyio.run(_publish_all, path)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(path.with_name("sent.db"))) as state:
            state.execute("PRAGMA journal_mode=WAL")
            state.execute("PRAGMA synchronous=FULL")
            state.execute("CREATE TABLE sent (office TEXT PRIMARY KEY, at REAL)")
            started, cpu = time.perf_counter(), time.process_time()
            _send_all(url, source, state)
            return _describe_run(started, cpu)


def _send_all(url: str, source: sqlite3.Connection, state: sqlite3.Connection) -> None:
    query = "SELECT balance.*, office.id FROM balance JOIN office ON office.key = balance.office ORDER BY office"
    bodies: dict[str, list[tuple[int, ...]]] = {}
    for *row, office in source.execute(query):
        bodies.setdefault(office, []).append(tuple(row))
    with httpx.Client() as client:
        for office, rows in bodies.items():
            body = json.dumps({"office": office, "balances": rows}).encode()
            sent_at = str(int(time.time()))
            mac = hmac.digest(KEY, f"{office}.{sent_at}.".encode() + body, hashlib.sha256)
            headers = {"webhook-signature": "v1," + base64.b64encode(mac).decode(), "webhook-timestamp": sent_at}
            client.post(url, content=body, headers=headers).raise_for_status()
            state.execute("INSERT OR REPLACE INTO sent VALUES (?, ?)", (office, time.time()))
            state.commit()


@contextmanager
def _push_receiver() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.sinks.push_receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        process.kill()


def _get_now() -> datetime:
    return datetime.now(UTC)
