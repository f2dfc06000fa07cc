"""The consumer of docs/, as it stands: a process of its own, pushed to by the real sink."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from oddaemon.core.reporting.formatting import format_money
from oddaemon.core.secret import Secret
from oddaemon.settings.values.sink_secrets import decode_signing_key
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from tests.ports import reserved_port
from tests.sinks.payloads import make_night_balances, make_payload
from tests.sinks.webhook_receiver import SECRET

CONSUMER = Path(__file__).parents[2] / "docs" / "consumer.py"
ROWS_MAX = 9


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as number:
        yield number


@pytest.fixture
def running(tmp_path: Path, port: int) -> Iterator[Path]:
    environment = {**os.environ, "SECRET": SECRET, "PORT": str(port)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, CONSUMER], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    yield tmp_path
    process.kill()
    process.wait()


def make_sink(port: int, secret: str = SECRET, rows_max: int = ROWS_MAX) -> Webhook:
    options = WebhookOptions(
        f"http://127.0.0.1:{port}/", decode_signing_key(Secret(secret)), rows_max, 60.0, compressed=True
    )
    return Webhook(options, lambda: datetime.now(UTC))


def read_stored(directory: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(directory / "balances.db")) as database:
        bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM part ORDER BY part")]
    return [(row["pat_num"], row["bal_total"]) for each in bodies for row in each["balances"]]


def get_true_totals(number: int) -> list[tuple[int, str]]:
    return [(row.pat_num, format_money(row.bal_total)) for row in make_night_balances(number)]


async def deliver_until_accepted(sink: Webhook, number: int) -> None:
    """Again and again until it is taken: the consumer may still be starting."""
    with anyio.fail_after(240):
        while True:
            try:
                await sink.deliver(make_payload(number), f"d{number}")
            except DeliveryFailed as refusal:
                if "cannot be reached" not in str(refusal):
                    raise
                await anyio.sleep(0.05)
            else:
                return


async def test_it_holds_the_last_whole_snapshot_and_each_delivery_once(running: Path, port: int) -> None:
    sink = make_sink(port)
    for number in (1, 2, 2, 3):
        await deliver_until_accepted(sink, number)
        assert read_stored(running) == get_true_totals(number)
    await sink.aclose()


async def test_a_delivery_that_comes_in_fewer_parts_the_second_time_is_held_once(running: Path, port: int) -> None:
    for rows_max in (4, 11):
        sink = make_sink(port, rows_max=rows_max)
        await deliver_until_accepted(sink, 1)
        await sink.aclose()
        assert read_stored(running) == get_true_totals(1)


async def test_it_accepts_nothing_without_the_secret(running: Path, port: int) -> None:
    sink = make_sink(port)
    await deliver_until_accepted(sink, 1)
    await sink.aclose()
    other_sink = make_sink(port, SECRET.replace("c", "d"))
    with pytest.raises(DeliveryFailed, match="HTTP 401"):
        await other_sink.deliver(make_payload(2), "d2")
    await other_sink.aclose()
    assert read_stored(running) == get_true_totals(1)
