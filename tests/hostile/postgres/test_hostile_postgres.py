"""A PostgreSQL server that sends anything at all: the process survives, and each delivery fails in time."""

import json
import subprocess
import sys
import time

import anyio
import pytest

from oddaemon.sinks.postgres.session import RECEIVED_BYTES_MAX
from tests.hostile.fuzzer import feed_checked
from tests.hostile.postgres.delivery import GROWN_MEGABYTES, STALL_SECONDS, PostgresTarget, deliver_to
from tests.hostile.postgres.scripts import CORRUPTED, FLOODS, continue_sasl, make_auth, make_scripts
from tests.hostile.postgres.server import LOGIN, HostilePostgres, make_good_answers
from tests.hostile.target import KEYS, assert_texts_clean
from tests.sinks.payloads import make_payload

pytestmark = pytest.mark.real("speaks to a server on a real socket, whose silence takes real seconds")
SCRIPTS_MIN = 168
GROWN_MEGABYTES_MAX = 250
"""A flood on loopback brings ten megabytes before it is noticed; several run at once."""
STALL_SECONDS_MAX = 5.0
"""The servers run on the same loop, on a busy machine."""


async def test_the_fake_server_accepts_a_delivery_when_nothing_is_corrupted() -> None:
    assert await deliver_to(HostilePostgres(make_good_answers(make_payload()))) == ""


def test_the_process_survives_every_script_and_each_delivery_fails() -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.hostile.postgres.delivery"]
    done = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    outcomes = json.loads(done.stdout)
    assert int(outcomes.pop(GROWN_MEGABYTES)) < GROWN_MEGABYTES_MAX
    assert float(outcomes.pop(STALL_SECONDS)) < STALL_SECONDS_MAX
    assert len(outcomes) == len(list(make_scripts(make_payload()))) >= SCRIPTS_MIN
    assert [name for name, text in outcomes.items() if not text] == []
    assert_texts_clean(outcomes.values())
    assert KEYS[0].encode() not in done.stderr


async def test_a_continued_login_that_never_began_is_a_failure_and_no_crash() -> None:
    assert "refused" in await deliver_to(HostilePostgres([CORRUPTED["SASLContinue without SASL"], LOGIN]))


async def test_a_server_that_asks_for_half_an_hour_of_hashing_leaves_the_loop_running() -> None:
    longest = last = 0.0
    server = HostilePostgres([make_auth(10, b"SCRAM-SHA-256\0\0"), continue_sasl(2**31 - 1)], is_silent=True)
    async with anyio.create_task_group() as tasks:

        async def measure() -> None:
            nonlocal longest, last
            while True:
                last = time.monotonic()
                await anyio.sleep(0.01)
                longest = max(longest, time.monotonic() - last)

        tasks.start_soon(measure)
        assert "timed out" in await deliver_to(server, 2.0)
        tasks.cancel_scope.cancel()
    assert longest < 1.0


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_server_that_never_stops_talking_is_cut_off(flood: str) -> None:
    good = make_good_answers(make_payload())
    assert len(FLOODS[flood]) < RECEIVED_BYTES_MAX * 2
    text = await deliver_to(HostilePostgres([*good[:6], b""], endless=FLOODS[flood]))
    assert "cut off" in text or "lost" in text or "understood" in text


def test_what_a_login_echoes_never_holds_the_password() -> None:
    echo = HostilePostgres(
        [make_auth(3), lambda request: b"E" + len(request).to_bytes(4, "big") + b"SFATAL\0C28P01\0M" + request]
    )
    text = anyio.run(deliver_to, echo)
    assert_texts_clean([text])


@pytest.mark.parametrize("number", range(40))
def test_a_corrupted_conversation_is_a_failure(number: int) -> None:
    target = PostgresTarget()
    feed_checked(target, target.make_input(number, 20260308))
