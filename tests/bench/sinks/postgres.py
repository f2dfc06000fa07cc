"""Rows into PostgreSQL: compared, in both tables and proved, beside a plain COPY of the same rows into one table."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import psycopg

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.postgres.sink import Postgres
from tests.bench.harness.figure import Better, Measurement, Skip, divide_pairwise, make_figure
from tests.bench.harness.rounds import interleave
from tests.bench.sinks.sample import make_later_payload, make_payload
from tests.postgres_server import find_missing_requirement, running_server

ROWS = 50_000
ROUNDS = 7
CHANGED_SHARE = 0.08


def measure() -> Measurement:
    """The script and the sink in turn; each round has tables of its own."""
    if missing := find_missing_requirement():
        yield Skip("rows into PostgreSQL", missing)
        return
    payload = make_payload(ROWS)
    nights = (payload, make_later_payload(payload, CHANGED_SHARE))
    with running_server() as server:
        variants: dict[str, Callable[[], tuple[float, ...]]] = {
            "script": partial(anyio.run, _run_script, server.make_dsn(), payload),
            "sink": partial(anyio.run, _run_sink, server.make_dsn(), nights),
        }
        rates = yield from interleave(variants, ROUNDS, warm_ups=1)
    script = [each for (each,) in rates["script"]]
    yield make_figure("plain COPY into one table", script, "rows/s", Better.NEITHER)
    for number, night in enumerate(("first night", f"ordinary night, {CHANGED_SHARE:.0%} changed")):
        rate = [each[number] for each in rates["sink"]]
        yield make_figure(f"{night}, compared, both tables, proved", rate, "rows/s", Better.MORE)
        ratio = divide_pairwise(rate, script)
        yield make_figure(f"{night}, as a multiple of the script", ratio, "x", Better.MORE, goal=0.5)


async def _run_script(dsn: str, payload: Payload) -> tuple[float, ...]:
    columns = ", ".join(f"{name} bigint" for name in Balance._fields)
    async with await psycopg.AsyncConnection.connect(dsn) as connection, connection.cursor() as cursor:
        await cursor.execute("DROP TABLE IF EXISTS plain")
        await cursor.execute(f"CREATE TABLE plain ({columns}, PRIMARY KEY (pat_num))")
        await connection.commit()
        started = time.perf_counter()
        async with cursor.copy("COPY plain FROM STDIN") as copy:
            for row in payload.balances:
                await copy.write_row(row)
        await connection.commit()
        return (ROWS / (time.perf_counter() - started),)


async def _run_sink(dsn: str, nights: tuple[Payload, Payload]) -> tuple[float, ...]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
    sink = Postgres(dsn, "bench", 300.0)
    other = replace(nights[0].snapshot, office_id="other")
    await sink.deliver(replace(nights[0], snapshot=other), "other")
    rates = []
    for number, payload in enumerate(nights):
        started = time.perf_counter()
        await sink.deliver(payload, f"night-{number}")
        rates.append(ROWS / (time.perf_counter() - started))
    await sink.aclose()
    return tuple(rates)
