"""Publishing with an outbox, and each kind of sink beside a plain script that does the same without promises."""

import base64
import csv
import hashlib
import hmac
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import anyio
import httpx
import psycopg

from oddaemon.core.model import Balance, OfficeSpec, PublishedSnapshot, Reader, Snapshot
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.snapshot.payload import Payload
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier import Courier
from oddaemon.engine.fleet.holder import SoleHolder
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import Secret
from oddaemon.settings.tables.sink import WebhookSettings
from oddaemon.sinks.files import Files
from oddaemon.sinks.formats.export import FileFormat
from oddaemon.sinks.postgres.sink import Postgres
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import OutboxSize
from oddaemon.telemetry.events.base import Event
from tests.postgres_server import find_missing_requirement, running_server
from tests.store.configured import register_offices

GUARANTORS = 8_000
CHANGED_SHARE = 0.08
ROUNDS = 15
PUSHED_OFFICES = 300
PUSHED_GUARANTORS = 100
FILE_ROWS = 200_000
TABLE_ROWS = 50_000
KEY = b"a-secret-of-the-bench-only-32-by"

Row = tuple[str, str, str]


def measure() -> list[Row]:
    """Rows of the table: what, figure, goal."""
    return [*_measure_publishing(), *_measure_webhook(), *_measure_files(), *_measure_postgres()]


def _measure_publishing() -> list[Row]:
    milliseconds = {sinks: 1000 * anyio.run(_time_publishing, sinks) for sinks in (0, 1)}
    what = f"publish and diff of {GUARANTORS:,} guarantors, 8 % changed"
    return [
        (f"{what}, no sink", f"{milliseconds[0]:.0f} ms", ""),
        (f"{what}, one sink", f"{milliseconds[1]:.0f} ms", "< 150 ms"),
    ]


async def _time_publishing(sinks: int) -> float:
    names = ["lake"][:sinks]
    rng, rows, took = random.Random(1), list(_make_balances(GUARANTORS)), []
    with tempfile.TemporaryDirectory() as directory:
        async with SqliteDatabase.open(str(Path(directory) / "state.db")) as database:
            await register_offices(database, [OfficeSpec("one", "One")])
            for number in range(ROUNDS + 1):
                for index in rng.sample(range(GUARANTORS), int(GUARANTORS * CHANGED_SHARE)):
                    rows[index] = rows[index]._replace(bal_total=rng.randrange(1_000_000))
                snapshot = _make_snapshot(rows)
                started = time.perf_counter()
                await snapshots.publish(
                    database, "one", snapshot, make_initial_state(_get_now()), _get_now(), sinks=names
                )
                if number:  # the first one is the whole office
                    took.append(time.perf_counter() - started)
    return statistics.median(took)


def _measure_webhook() -> list[Row]:
    with _push_receiver() as url, tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        seconds = anyio.run(_time_courier, path, url)
        script = PUSHED_OFFICES / _time_script_push(path, url)
    courier = PUSHED_OFFICES / seconds
    return [
        ("webhook deliveries/s of 100 guarantors, plain httpx script", f"{script:,.0f}", ""),
        ("webhook deliveries/s, outbox to acknowledgement, durable", f"{courier:,.0f}", ""),
        ("  as a multiple of the script", f"{courier / script:.2f}", ""),
    ]


async def _time_courier(path: Path, url: str) -> float:
    over = anyio.Event()

    def emit(event: Event) -> None:
        if isinstance(event, OutboxSize) and not event.pending:
            over.set()

    async with SqliteDatabase.open(str(path)) as database:
        ids = [f"office-{number}" for number in range(PUSHED_OFFICES)]
        await register_offices(database, [OfficeSpec(each, each) for each in ids])
        for each in ids:
            rows = _make_snapshot(_make_balances(PUSHED_GUARANTORS))
            await snapshots.publish(database, each, rows, make_initial_state(_get_now()), _get_now(), sinks=["push"])
        sink = Webhook(WebhookOptions(url, KEY, 5_000, 60.0, compressed=True), _get_now)
        context = EngineContext(database, SoleHolder(database), _get_now, RateLimiter(1, 1.0), random.Random(1), emit)
        settings = WebhookSettings(name="push", kind="webhook", url=Secret(url), secret=Secret("unused"))
        courier = Courier(settings, sink, context)
        async with anyio.create_task_group() as tasks:
            started = time.perf_counter()
            tasks.start_soon(courier.run)
            await over.wait()
            took = time.perf_counter() - started
            courier.drain()
    return took


def _time_script_push(path: Path, url: str) -> float:
    """Read, sign and post, one office after another; what was sent is nowhere written down."""
    started = time.perf_counter()
    query = "SELECT balance.*, office.id FROM balance JOIN office ON office.key = balance.office ORDER BY office"
    bodies: dict[str, list[tuple[int, ...]]] = {}
    for *row, office in sqlite3.connect(path).execute(query):
        bodies.setdefault(office, []).append(tuple(row))
    with httpx.Client() as client:
        for office, rows in bodies.items():
            body = json.dumps({"office": office, "balances": rows}).encode()
            sent_at = str(int(time.time()))
            mac = hmac.digest(KEY, f"{office}.{sent_at}.".encode() + body, hashlib.sha256)
            headers = {"webhook-signature": "v1," + base64.b64encode(mac).decode(), "webhook-timestamp": sent_at}
            client.post(url, content=body, headers=headers).raise_for_status()
    return time.perf_counter() - started


@contextmanager
def _push_receiver() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.push_receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        process.kill()


def _measure_files() -> list[Row]:
    payload, found = _make_payload(FILE_ROWS), list[Row]()
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        with (Path(directory) / "plain.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Balance._fields)
            writer.writerows([*row[:2], *(f"{cents / 100:.2f}" for cents in row[2:])] for row in payload.balances)
        script = FILE_ROWS / (time.perf_counter() - started)
        found.append(("rows/s into a CSV file, plain csv script", f"{script:,.0f}", ""))
        for form in (FileFormat.CSV, FileFormat.NDJSON, FileFormat.PARQUET):
            sink = Files(Path(directory), form, 60.0, keeps_all_snapshots=False)
            started = time.perf_counter()
            sink.write(payload, "d1")
            rate = FILE_ROWS / (time.perf_counter() - started)
            what = f"rows/s into a proved and durable {form.value} file"
            found.append((f"{what} (times the script)", f"{rate:,.0f} ({rate / script:.2f})", ""))
    return found


def _measure_postgres() -> list[Row]:
    if find_missing_requirement():
        return [("rows/s into PostgreSQL", "not measured", find_missing_requirement())]
    payload = _make_payload(TABLE_ROWS)
    with running_server() as server:
        script = TABLE_ROWS / anyio.run(_time_script_copy, server.make_dsn(), payload)
        sink = TABLE_ROWS / anyio.run(partial(_time_postgres_sink, server.make_dsn(), payload))
    return [
        ("rows/s into PostgreSQL, plain COPY into one table", f"{script:,.0f}", ""),
        ("rows/s into PostgreSQL, compared, both tables, proved", f"{sink:,.0f}", ""),
        ("  as a multiple of the script", f"{sink / script:.2f}", ""),
    ]


async def _time_script_copy(dsn: str, payload: Payload) -> float:
    columns = ", ".join(f"{name} bigint" for name in Balance._fields)
    async with await psycopg.AsyncConnection.connect(dsn) as connection, connection.cursor() as cursor:
        await cursor.execute(f"CREATE TABLE plain ({columns}, PRIMARY KEY (pat_num))")
        started = time.perf_counter()
        async with cursor.copy("COPY plain FROM STDIN") as copy:
            for row in payload.balances:
                await copy.write_row(row)
        return time.perf_counter() - started


async def _time_postgres_sink(dsn: str, payload: Payload) -> float:
    sink = Postgres(dsn, "bench", 300.0)
    await sink.deliver(Payload("", replace(payload.snapshot, office_id="other"), payload.balances), "d0")
    started = time.perf_counter()
    await sink.deliver(payload, "d1")
    took = time.perf_counter() - started
    await sink.aclose()
    return took


def _make_balances(count: int) -> tuple[Balance, ...]:
    rng = random.Random(count)
    return tuple(Balance(number, 0, *(rng.randrange(1_000_000) for _ in range(7))) for number in range(1, count + 1))


def _make_snapshot(rows: tuple[Balance, ...] | list[Balance]) -> Snapshot:
    return Snapshot(date(2026, 3, 2), _get_now(), Reader.STATEMENT, 1, compute_totals(rows), rows)


def _make_payload(count: int) -> Payload:
    rows = _make_balances(count)
    totals, now = compute_totals(rows), _get_now()
    snapshot = PublishedSnapshot(1, "one", date(2026, 3, 2), now, now, Reader.STATEMENT, 1, totals, count, 0, 0)
    return Payload("One", snapshot, rows)


def _get_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    for line in measure():
        sys.stdout.write(" | ".join(line) + "\n")
