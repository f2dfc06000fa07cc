"""Two nights of some offices through the engine's own path, `read_office` and `publish`, as the daemon runs it.

The offices are read at once, into a fresh database: in the first night every guarantor is new, in the second one 8 %
have changed. Waiting for aging and its probes are left out.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import AgingMark, OfficeCredentials, OfficeSpec, Reader, Snapshot
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import Pull
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.packing import FIRST_PACKING
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.pull.checkpoint import PullStaging
from oddaemon.engine.pull.reader import read_office
from oddaemon.opendental.client import Api, Limits, OfficeApi
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.telemetry import Telemetry
from tests.bench.reading.relay import ByteMeter
from tests.bench.server import DEVELOPER_KEY, make_customer_key, name_second_night
from tests.store.configured import register_offices

WARM_UP = "warm-up"
LIMITS = Limits(10, 75, 2**26)
Counting = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class NightCost:
    """What one night of all offices took.

    Attributes:
        seconds: By the clock.
        main_cpu_seconds: Of the thread of the event loop.
        cpu_seconds: Of all threads.
        stretch_seconds: Processor time of the longest callback of the event loop, in which nothing else can run.
        requests: Of all offices.
        guarantors: Of all offices.
        changed: Guarantors that are new, changed or cleared.
        bytes_sent: By all offices; 0 without a meter.
        bytes_received: The same.
    """

    seconds: float
    main_cpu_seconds: float
    cpu_seconds: float
    stretch_seconds: float
    requests: int
    guarantors: int
    changed: int
    bytes_sent: int
    bytes_received: int


@dataclass(frozen=True, slots=True)
class _Pulled:
    requests: int
    snapshot: Snapshot
    pull: Pull
    """For the next night: what the state machine would have learned."""
    changed: int


async def run_two_nights(
    base_url: str,
    office_ids: Sequence[str],
    reader: Reader,
    meter: ByteMeter | None = None,
    counting: Counting = nullcontext,
) -> tuple[NightCost, NightCost]:
    """Read and publish all offices, and again as they are a night later.

    Args:
        base_url: Of a server that has both nights.
        office_ids: The offices.
        reader: How they are read.
        meter: Counts what passes through `base_url`, if that is a relay.
        counting: Surrounds each of the two nights, without what is prepared for them.
    """
    telemetry = Telemetry(write=lambda _line: None, now=_get_now, version="bench")
    api = Api(RateLimiter(4096, 1e6), LIMITS, telemetry.emit, _get_now)
    with tempfile.TemporaryDirectory() as directory:
        journal = JournalRecorder(telemetry, _get_now, retained_max=500, write_seconds=2.0)
        async with (
            SqliteDatabase.open(str(Path(directory) / "state.db")) as database,
            anyio.create_task_group() as keeping,
        ):
            keeping.start_soon(journal.run, database)
            await register_offices(database, [OfficeSpec(each, each) for each in (*office_ids, WARM_UP)])
            await _warm_up(database)
            costs, pulls = [], dict[str, Pull]()
            for is_later in (False, True):
                offices = {each: make_office_api(api, base_url, each, is_later=is_later) for each in office_ids}
                for office_id, office in offices.items():
                    pulls[office_id] = await _plan_pull(office, reader, pulls.get(office_id))
                costs.append(
                    await _run_night(database, telemetry, offices, pulls, meter=meter or ByteMeter(), counting=counting)
                )
            keeping.cancel_scope.cancel()
    first, second = costs
    return first, second


def make_office_api(api: Api, base_url: str, office_id: str, *, is_later: bool) -> OfficeApi:
    """The client of an office, as it is in this night or a night later."""
    customer_key = make_customer_key(name_second_night(office_id) if is_later else office_id)
    return api.make_office_api(
        OfficeCredentials(office_id, Secret(DEVELOPER_KEY), Secret(customer_key), base_url, 0.0, remote=True)
    )


async def _plan_pull(office: OfficeApi, reader: Reader, last: Pull | None) -> Pull:
    """What a probe has found before a pull begins."""
    async with office.session() as session:
        mark = AgingMark(
            await session.get_preference("DateLastAging"), await session.get_preference("AgingBeginDateTime")
        )
    packing, since = (last.packing, last.since) if last else (FIRST_PACKING, None)
    return Pull(reader, packing, datetime.fromisoformat(mark.date_last_aging).date(), mark, since=since)


async def _warm_up(database: Database) -> None:
    """A daemon has published before: its statements are compiled."""
    nothing = Snapshot(datetime.now(UTC).date(), _get_now(), Reader.STATEMENT, 1, compute_totals([]), ())
    await snapshots.publish(database, WARM_UP, nothing, make_initial_state(_get_now()), _get_now())


async def _run_night(
    database: Database,
    telemetry: Telemetry,
    offices: dict[str, OfficeApi],
    pulls: dict[str, Pull],
    *,
    meter: ByteMeter,
    counting: Counting,
) -> NightCost:
    found: dict[str, _Pulled] = {}

    async def run_one(office_id: str) -> None:
        found[office_id] = await _pull_and_publish(offices[office_id], office_id, database, telemetry, pulls[office_id])

    sent, received = meter.sent, meter.received
    with counting(), _measuring_stretches() as stretches:
        started, cpu, main_cpu = time.perf_counter(), time.process_time(), time.thread_time()
        async with anyio.create_task_group() as tasks:
            for office_id in offices:
                tasks.start_soon(run_one, office_id)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
        main_cpu_seconds = time.thread_time() - main_cpu
    pulls.update({office_id: each.pull for office_id, each in found.items()})
    return NightCost(
        seconds,
        main_cpu_seconds,
        cpu_seconds,
        max(stretches),
        sum(each.requests for each in found.values()),
        sum(each.snapshot.totals.guarantors for each in found.values()),
        sum(each.changed for each in found.values()),
        meter.sent - sent,
        meter.received - received,
    )


async def _pull_and_publish(
    office: OfficeApi, office_id: str, database: Database, telemetry: Telemetry, pull: Pull
) -> _Pulled:
    """From a new connection to the commit."""
    async with office.session() as session:
        wanted = OfficeSpec(office_id, office_id)
        staging = PullStaging(database, office_id, "all:", telemetry.emit)
        pulled, snapshot = await read_office(session, wanted, pull, staging=staging, resumed=None, now=_get_now)
        published = await snapshots.publish(database, office_id, snapshot, make_initial_state(_get_now()), _get_now())
        following = Pull(
            pull.reader, pulled.packing or pull.packing, pull.aging_date, pull.expected, since=pulled.control.office_now
        )
        changed = published.new + published.changed + published.cleared
        return _Pulled(session.requests, snapshot, following, changed)


@contextmanager
def _measuring_stretches() -> Iterator[list[float]]:
    """The processor time of the event loop's longest callback so far, in a list of one."""
    longest, run = [0.0], asyncio.Handle._run

    def run_measured(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        longest[0] = max(longest[0], time.thread_time() - began)

    # The event loop runs every callback by this method.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", run_measured)
        yield longest


def _get_now() -> datetime:
    return datetime.now(UTC)
