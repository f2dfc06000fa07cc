"""Guarantors a second from the socket to the commit, beside a plain script that pages the same offices.

Measured is the engine's own path, `read_office` and `publish`, for all offices at once as the daemon runs them; waiting
for aging and its probes are left out on this side, and the script has none.
"""

import functools
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio

from oddaemon.core.model import AgingMark, OfficeCredentials, OfficeSpec, Reader, Snapshot
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import Pull
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.packing import FIRST_PACKING
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.daemon.process import tune_garbage_collector
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.pull.checkpoint import PullStaging
from oddaemon.engine.pull.reader import read_office
from oddaemon.opendental.client import Api, Limits, OfficeApi
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.telemetry import Telemetry
from tests.bench.plain_script import pull_balances as pull_plainly
from tests.bench.processes import bench_server
from tests.bench.server import DEVELOPER_KEY, make_customer_key
from tests.store.configured import register_offices

OFFICES = 16
GUARANTORS = 4_000
WARM_UP = "warm-up"
ROUNDS = 7


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    office_ids = [f"office-{number:04}" for number in range(OFFICES)]
    rows = OFFICES * GUARANTORS
    seconds: dict[str, list[float]] = {"script": [], "statement": [], "pages": []}
    requests: dict[str, int] = {}
    tune_garbage_collector()  # as the daemon does, and for both sides
    with bench_server(OFFICES, GUARANTORS) as base_url:
        for round_number in range(ROUNDS + 1):
            took = {"script": _time_script(base_url, office_ids)}
            for reader in (Reader.STATEMENT, Reader.PAGES):
                took[reader.value], requests[reader.value] = anyio.run(
                    functools.partial(_time_engine, base_url, office_ids, reader)
                )
            if round_number:  # the first one fills the server's memory
                for name, value in took.items():
                    seconds[name].append(value)
    rate = {name: rows / statistics.median(values) for name, values in seconds.items()}
    return [
        ("requests per snapshot, statement, 4,000 guarantors", f"{requests['statement']}", "1"),
        ("requests per snapshot, pages, 4,000 guarantors", f"{requests['pages']}", "42"),
        ("guarantors/s, plain httpx + sqlite3 script", f"{rate['script']:,.0f}", ""),
        ("guarantors/s, pages", f"{rate['pages']:,.0f}", ""),
        ("  as a multiple of the script", f"{rate['pages'] / rate['script']:.2f}", ">= 0.8"),
        ("guarantors/s, statement", f"{rate['statement']:,.0f}", ""),
        ("  as a multiple of the script", f"{rate['statement'] / rate['script']:.2f}", ">= 5"),
    ]


def _time_script(base_url: str, office_ids: list[str]) -> float:
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        rows = pull_plainly(base_url, office_ids, Path(directory) / "script.db")
        assert rows == OFFICES * GUARANTORS
        return time.perf_counter() - started


async def _time_engine(base_url: str, office_ids: list[str], reader: Reader) -> tuple[float, int]:
    """Seconds for all offices into a fresh database, and the most requests that one of them took."""
    telemetry = Telemetry(write=lambda _line: None, now=_get_now, version="bench")
    api = Api(RateLimiter(4096, 1e6), Limits(10, 75, 2**26), telemetry.emit, _get_now)
    with tempfile.TemporaryDirectory() as directory:
        journal = JournalRecorder(telemetry, _get_now, retained_max=500, write_seconds=2.0)
        async with (
            SqliteDatabase.open(str(Path(directory) / "state.db")) as database,
            anyio.create_task_group() as keeping,
        ):
            keeping.start_soon(journal.run, database)
            await register_offices(database, [OfficeSpec(each, each) for each in (*office_ids, WARM_UP)])
            offices = {
                office_id: api.make_office_api(_make_credentials(base_url, office_id)) for office_id in office_ids
            }
            marks = {office_id: await _read_aging_mark(office) for office_id, office in offices.items()}
            await _warm_up(database)
            most: list[int] = []

            async def pull_one(office_id: str) -> None:
                pull = Pull(reader, FIRST_PACKING, datetime.now(UTC).date(), marks[office_id])
                most.append(await _pull_and_publish(offices[office_id], office_id, database, telemetry, pull))

            started = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                for office_id in office_ids:
                    tasks.start_soon(pull_one, office_id)
            seconds = time.perf_counter() - started
            keeping.cancel_scope.cancel()
        return seconds, max(most)


def _make_credentials(base_url: str, office_id: str) -> OfficeCredentials:
    return OfficeCredentials(
        office_id,
        Secret(DEVELOPER_KEY),
        Secret(make_customer_key(office_id)),
        base_url,
        0.0,
        remote=True,
    )


async def _read_aging_mark(office: OfficeApi) -> AgingMark:
    """What a probe has found before a pull begins."""
    async with office.session() as session:
        return AgingMark(
            await session.get_preference("DateLastAging"), await session.get_preference("AgingBeginDateTime")
        )


async def _warm_up(database: SqliteDatabase) -> None:
    """A daemon has published before: its statements are compiled."""
    nothing = Snapshot(datetime.now(UTC).date(), _get_now(), Reader.STATEMENT, 1, compute_totals([]), ())
    await snapshots.publish(database, WARM_UP, nothing, make_initial_state(_get_now()), _get_now())


async def _pull_and_publish(
    office: OfficeApi, office_id: str, database: SqliteDatabase, telemetry: Telemetry, pull: Pull
) -> int:
    """From a new connection to the commit; returns how many requests that took."""
    async with office.session() as session:
        wanted = OfficeSpec(office_id, office_id)
        staging = PullStaging(database, office_id, "all:", telemetry.emit)
        _, snapshot = await read_office(session, wanted, pull, staging=staging, resumed=None, now=_get_now)
        await snapshots.publish(database, office_id, snapshot, make_initial_state(_get_now()), _get_now())
        assert snapshot.totals.guarantors == GUARANTORS
        return session.requests


def _get_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    for line in measure():
        print(*line, sep="\t")  # noqa: T201
