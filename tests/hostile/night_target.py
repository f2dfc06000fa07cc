"""A night of a whole daemon, on virtual time, whose office or whose sink does what no rule expects.

The office sends another value in one column of every row, or claims 2^40 guarantors and has another page of them each
time. Or the sink raises an exception.
"""

import asyncio
import json
import random
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio

from oddaemon.core.model import Reader
from oddaemon.core.snapshot.payload import Payload
from oddaemon.simulator.faults.faults import Altered, Rows
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.engine.delivery.fake_consumer import make_sink_settings
from tests.engine.night import SMALL, make_office_settings, night, schedule_fault, time_after_start
from tests.hostile.target import Violation
from tests.opendental.response_bodies import make_control_row

MINUTES = 240
PAGE_ROWS = 100
CLAIMED = 2**40
REQUESTS_MAX = 1000
"""Of one office in that time; an ordinary night has some dozens."""
READERS = (Reader.STATEMENT, Reader.PAGES, Reader.AUTO)
COLUMNS = (*make_control_row(), "N", "G", "L0", "L1", "Balance", "ClinicNum", "PrefName", "ValueString")
VALUES: tuple[Any, ...] = (
    *(2**40, 2**63, 2**70, -1, -(2**40), 10**400, 1e300, -0.5, "9" * 400, "x" * 100_000, "", None, True),
    *("1,9223372036854775808,0,0,0,0,0,0,0", "1,-7,0,0,0,0,0,0,0", "0001-01-01", "\x1b[2J"),
)
ERRORS: Mapping[str, Callable[[], Exception]] = {
    each.__name__: each
    for each in (
        *(LookupError, ValueError, AttributeError, ZeroDivisionError, RecursionError, EOFError, AssertionError),
        *(OSError, ssl.SSLError, MemoryError, BufferError, RuntimeError, UnicodeError, asyncio.InvalidStateError),
    )
} | {"group": lambda: ExceptionGroup("", [KeyError("x"), ExceptionGroup("", [OSError(9, "")])])}
ENDINGS = ("worker_crashed", "courier_crashed", "background_task_crashed", "office_quarantined", "sink_stopped")
"""Events of what must not happen over a peer."""


class NightsTarget:
    """One night."""

    name = "nights"

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        if number % 5 == 0:
            return json.dumps({"endless": True, "reader": Reader.PAGES}).encode()
        if number % 2:
            return json.dumps({"error": rng.choice(sorted(ERRORS))}).encode()
        chosen = {"column": rng.choice(COLUMNS), "value": rng.randrange(len(VALUES)), "reader": rng.choice(READERS)}
        return json.dumps(chosen).encode()

    def feed(self, sent: bytes) -> Iterable[str]:
        with tempfile.TemporaryDirectory() as directory:
            chosen = json.loads(sent or b"{}")
            return anyio.run(_play, Path(directory), chosen, backend_options={"loop_factory": make_virtual_loop})


class _RaisingSink:
    def __init__(self, make_error: Callable[[], Exception]) -> None:
        self._make_error = make_error

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        del payload, delivery_id
        raise self._make_error()

    async def aclose(self) -> None:
        raise self._make_error()


def _alter(column: str, value: Any, rows: Rows) -> Rows:
    return [{**row, column: value} if column in row else row for row in rows]


def _add_pages(numbers: Iterator[int], rows: Rows) -> Rows:
    """Claims of 2^40 guarantors, and a page of new ones instead of each page."""
    if not rows or "Balance" in rows[0]:
        return [{"Balance": f"{next(numbers)},0,0,100,0,0,0,0,100"} for _ in range(PAGE_ROWS)]
    return _alter("Guarantors", CLAIMED, rows)


async def _play(directory: Path, chosen: Mapping[str, Any]) -> list[str]:
    offices = [make_office_settings(SMALL.office_id, reader=Reader(chosen.get("reader", Reader.AUTO)))]
    alter: Callable[[Rows], Rows] = partial(_add_pages, count(10**9))
    if "column" in chosen:
        alter = partial(_alter, chosen["column"], VALUES[chosen["value"]])
    faults = [schedule_fault(Altered("hostile", alter))] if {"column", "endless"} & chosen.keys() else []
    sink = _RaisingSink(ERRORS[chosen.get("error", "LookupError")])
    async with night(
        directory, [SMALL], offices, faults=faults, sinks=[make_sink_settings()], make_sink=lambda _: sink, crashes=True
    ) as world:
        for minutes in range(0, MINUTES + 1, 10):
            await world.sleep_until(time_after_start(minutes=minutes))
            if len(world.list_requests()) > REQUESTS_MAX:
                break
        found = {name: lines for name in ENDINGS if (lines := world.find_events(name))}
        requests = len(world.list_requests())
        attempts = world.find_events("delivery_attempt_failed")
        reasons = [str(line.get("message", line.get("reason", ""))) for line in world.find_events("failure_seen")]
    if found:
        raise Violation(f"a peer ended something: {found}")
    if requests > REQUESTS_MAX:
        raise Violation(f"one office was asked {requests} times")
    if "error" in chosen and not attempts:
        raise Violation("no delivery failed")
    return reasons + [line["reason"] for line in attempts]
