"""The bounds of one response: long texts are refused, and a large body is decoded where it stops no one else."""

import threading
import time
from collections.abc import Sequence

import anyio
import anyio.to_thread
import pytest

from oddaemon.core.snapshot.packing import ROW_SEPARATOR
from oddaemon.opendental.client import Limits
from oddaemon.opendental.decode import parse_balance_rows
from oddaemon.opendental.decode_values import TEXT_CHARACTERS_MAX, MalformedValue, Row
from oddaemon.opendental.request_runner import THREAD_BYTES_MIN
from tests.opendental.client_harness import ScriptedServer, make_response, open_session

LIMITS = Limits(10.0, 65.0, max_response_bytes=67_108_864)
GUARANTORS = 400_000
STALL_SECONDS_MAX = 0.6
"""In one piece it is more than a second; on a busy machine the loop waits for a core, too."""


def make_rows(size: int) -> bytes:
    row = b'{"One":"' + b"x" * 2000 + b'"}'
    return b"[" + b",".join([row] * (size // len(row) + 1)) + b"]"


@pytest.mark.parametrize(("size", "in_thread"), [(THREAD_BYTES_MIN - 5000, False), (THREAD_BYTES_MIN, True)])
async def test_only_a_large_response_is_decoded_in_a_thread(size: int, in_thread: bool) -> None:
    threads: list[int] = []

    def parse(rows: Sequence[Row]) -> int:
        threads.append(threading.get_ident())
        return len(rows)

    async with open_session(ScriptedServer(make_response(make_rows(size))), limits=LIMITS) as (session, _):
        assert await session.query("SELECT 1 AS One", parse) > size // 2100
    assert [each != threading.get_ident() for each in threads] == [in_thread]


@pytest.mark.real("measures how long the event loop stands still")
async def test_a_whole_office_is_parsed_in_slices_that_leave_the_loop_running() -> None:
    longest = 0.0

    async def measure() -> None:
        nonlocal longest
        while True:
            slept_at = time.perf_counter()
            await anyio.sleep(0.001)
            longest = max(longest, time.perf_counter() - slept_at)

    text = ROW_SEPARATOR.join(f"{pat_num},0,0,97,0,0,0,0,97" for pat_num in range(1, GUARANTORS + 1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(measure)
        assert len(await anyio.to_thread.run_sync(parse_balance_rows, text)) == GUARANTORS
        tasks.cancel_scope.cancel()
    assert longest < STALL_SECONDS_MAX


def test_a_text_has_a_length_and_a_packed_column_only_that_of_its_response() -> None:
    allowed, longer = "x" * TEXT_CHARACTERS_MAX, "x" * (TEXT_CHARACTERS_MAX + 1)
    assert TEXT_CHARACTERS_MAX == 500
    assert Row({"Title": allowed}).get_text("Title") == allowed
    for read in (Row.get_text, Row.get_optional_text, Row.get_datetime_text):
        with pytest.raises(MalformedValue):
            read(Row({"Title": longer}), "Title")
    assert Row({"L0": longer}).get_packed("L0") == longer
