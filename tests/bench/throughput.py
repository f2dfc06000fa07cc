"""Guarantors a second from the socket to the commit, beside a plain script that pages the same offices.

Measured is the engine's own path, `read_office` and `publish`, for all offices at once as the daemon runs them; waiting
for aging and its probes are left out on this side, and the script has none.
"""

import functools
import gc
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio

from oddaemon.core.model import AgingMark, Office, Reader, Snapshot
from oddaemon.core.office import new_state
from oddaemon.core.packing import FIRST_PACKING
from oddaemon.core.state import Pull
from oddaemon.engine.reading import read_office
from oddaemon.engine.staging import Staging
from oddaemon.opendental.client import Access, Api, Limits
from oddaemon.opendental.gate import Gate
from oddaemon.store import offices as enrolled
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.telemetry.telemetry import Telemetry
from tests.bench.plain_script import pull
from tests.bench.processes import bench_server
from tests.bench.server import DEVELOPER_KEY, customer_key

OFFICES = 8
GUARANTORS = 4_000
ROUNDS = 7


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    office_ids = [f"office-{number:04}" for number in range(OFFICES)]
    rows = OFFICES * GUARANTORS
    seconds: dict[str, list[float]] = {"script": [], "statement": [], "pages": []}
    requests: dict[str, int] = {}
    gc.freeze()  # as the daemon does, and for both sides
    with bench_server(OFFICES, GUARANTORS) as base_url:
        for round_number in range(ROUNDS + 1):
            took = {"script": _script_seconds(base_url, office_ids)}
            for reader in (Reader.STATEMENT, Reader.PAGES):
                took[reader.value], requests[reader.value] = anyio.run(
                    functools.partial(_engine_seconds, base_url, office_ids, reader)
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


def _script_seconds(base_url: str, office_ids: list[str]) -> float:
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        rows = pull(base_url, office_ids, Path(directory) / "script.db")
        assert rows == OFFICES * GUARANTORS
        return time.perf_counter() - started


async def _engine_seconds(base_url: str, office_ids: list[str], reader: Reader) -> tuple[float, int]:
    """Seconds for all offices into a fresh database, and the most requests that one of them took."""
    telemetry = Telemetry(write=lambda _line: None, now=_now, version="bench")
    api = Api(Gate(4096, 1e6), Limits(10, 75, 2**26), telemetry.emit, _now)
    with tempfile.TemporaryDirectory() as directory:
        async with Database.open(str(Path(directory) / "state.db")) as database:
            await enrolled.enroll(database, [Office(office_id, office_id) for office_id in office_ids])
            most: list[int] = []

            async def work(office_id: str) -> None:
                most.append(
                    await _one_office(
                        api, base_url, database, telemetry, office=Office(office_id, office_id), reader=reader
                    )
                )

            started = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                for office_id in office_ids:
                    tasks.start_soon(work, office_id)
            return time.perf_counter() - started, max(most)


async def _one_office(
    api: Api, base_url: str, database: Database, telemetry: Telemetry, *, office: Office, reader: Reader
) -> int:
    access = Access(office.id, base_url, DEVELOPER_KEY, customer_key(office.id), 0.0, remote=True)
    async with api.office(access).session() as session:
        mark = AgingMark(await session.preference("DateLastAging"), await session.preference("AgingBeginDateTime"))
        session.requests = 0
        action = Pull(reader, FIRST_PACKING, datetime.now(UTC).date(), mark)
        staging = Staging(database, office.id, "all:", telemetry.emit)
        proved = await read_office(session, office, action, staging=staging, resumed=None, now=_now)
        snapshot = Snapshot(
            action.aging_date, proved.observed_at, reader, session.requests, proved.control.totals, proved.balances
        )
        await snapshots.publish(database, office.id, snapshot, new_state(_now()), _now())
        assert snapshot.totals.guarantors == GUARANTORS
        return session.requests


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    for line in measure():
        print(*line, sep="\t")  # noqa: T201
