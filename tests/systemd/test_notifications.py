"""What the real process sends a service manager when it starts, reloads, drains and gets a second stop signal."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.processes import ENVIRONMENT, TIMEOUT_SECONDS, running_command, wait_for_output
from tests.systemd.notify_socket import NotifySocket, summarize_messages

pytestmark = pytest.mark.real("starts real processes")

WORLD = """
seed = 5
[headquarters]
base_seconds = 1.5
[config.daemon]
drain_seconds = 30.0
[[office]]
id = "elm"
guarantors = 20
settled = 5
[[office]]
id = "oak"
guarantors = 20
settled = 5
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of two offices whose headquarters takes its time."""
    directory = tmp_path_factory.mktemp("world")
    plan, output = directory / "world.toml", directory / "log"
    plan.write_text(WORLD)
    with running_command("simulator", "--plan", str(plan), "--config-dir", str(directory), output=output) as process:
        wait_for_output("Ready.\n", output, process)
        yield directory / "oddaemon.toml"


@contextmanager
def starting_daemon(config: Path, manager: NotifySocket, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that has a service manager, not ready yet."""
    with (config.parent / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "oddaemon", "run", "--config", str(config)],
            env=ENVIRONMENT | {"NOTIFY_SOCKET": manager.address} | environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(tmp_path) as manager:
        yield manager


def test_a_start_asks_for_time_until_it_is_ready_and_then_reports_the_fleet(
    config: Path, manager: NotifySocket
) -> None:
    with starting_daemon(config, manager, WATCHDOG_USEC="3000000"):
        started = manager.read_until("READY=1")
        manager.read_until("STATUS=")
        manager.read_until("WATCHDOG=1")
    first, *asking, ready = summarize_messages(started)
    assert (first, ready) == ("STATUS=Starting: opening the database.", "READY=1")
    # Once, and again as long as it takes.
    assert asking == ["EXTEND_TIMEOUT", "WATCHDOG=1"] * (len(asking) // 2)
    assert asking
    assert manager.messages[-2].startswith("STATUS=0 of 2 fresh, 2 waiting for aging; next ")


def test_a_reload_good_or_bad_is_announced_and_always_ends_with_ready(config: Path, manager: NotifySocket) -> None:
    offices, good = config.parent / "offices.d" / "oak.toml", (config.parent / "offices.d" / "oak.toml").read_text()
    with starting_daemon(config, manager) as process:
        manager.read_until("READY=1")
        for text in (good.replace('name = "', 'name = "New '), 'id = "oak"\n', good):
            offices.write_text(text)
            process.send_signal(signal.SIGHUP)
            messages = manager.read_until("READY=1")
            reloading = next(each for each in messages if each.startswith("RELOADING=1"))
            assert int(reloading.partition("MONOTONIC_USEC=")[2]) > 0
            assert "STOPPING=1" not in messages
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
    event_names = [json.loads(line)["event"] for line in (config.parent / "daemon.log").read_text().splitlines()]
    assert summarize_messages([each for each in event_names if each.startswith("configuration_")]) == [
        "configuration_loaded",
        "configuration_rejected",
        "configuration_loaded",
    ]


def test_a_drain_is_announced_and_asks_for_time_while_a_response_is_pending(
    config: Path, manager: NotifySocket
) -> None:
    with starting_daemon(config, manager) as process:
        manager.read_until("READY=1")
        _wait_until_requested(config)
        manager.read_rest()
        process.send_signal(signal.SIGTERM)
        stopping = manager.read_until("STOPPING=1")
        assert process.wait(TIMEOUT_SECONDS) == 0
        messages = stopping[-1:] + manager.read_rest()
    assert "READY=1" not in messages
    assert messages[0] == "STOPPING=1"
    assert "EXTEND_TIMEOUT_USEC=30000000" in messages
    assert any(each.startswith("STATUS=Stopping: ") for each in messages)


def test_a_signal_that_comes_before_anything_is_ready_is_obeyed(config: Path, manager: NotifySocket) -> None:
    with starting_daemon(config, manager) as process:
        manager.read_until("STATUS=Starting")
        process.send_signal(signal.SIGTERM)
        manager.read_until("STOPPING=1")
        assert process.wait(TIMEOUT_SECONDS) == 0


def _wait_until_requested(config: Path) -> None:
    """Until headquarters has a request that it has not answered yet."""
    base = next(line.partition('"')[2].rstrip('"') for line in config.read_text().splitlines() if "base_url" in line)
    traffic_url = base.removesuffix("/api/v1") + "/-/traffic"
    in_flight = 0
    while not in_flight:
        with urllib.request.urlopen(traffic_url, timeout=TIMEOUT_SECONDS) as answer:
            in_flight = json.load(answer)["in_flight"]
