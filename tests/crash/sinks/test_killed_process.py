"""SIGKILL of a real daemon before and after each acknowledgement and beside each commit: nothing lost or twice."""

import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import pytest

from oddaemon.core.delivery import DeliveryState
from oddaemon.core.model import OfficeSpec
from oddaemon.core.reporting.formatting import format_money
from oddaemon.simulator.plan.daemon_config import render_toml
from oddaemon.store import outbox, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.crash.change_signal import TIMEOUT_SECONDS, ChangeSignal
from tests.crash.daemon_process import DAEMON, DaemonProcess, daemon_process
from tests.sinks.payloads import make_night_balances
from tests.sinks.test_files import read_consumed
from tests.sinks.webhook_receiver import SECRET, ReceivedRequest, WebhookReceiver
from tests.store.configured import register_offices
from tests.store.filled_database import make_true_snapshot
from tests.store.samples import NOW, make_state

pytestmark = pytest.mark.real("kills real processes")

OFFICES = ("hill", "smile")
NIGHTS = (1, 2, 3)
SINKS = ("lake", "push")
KILLS_MIN = 3
LIVES = 10
QUICK = {"backoff_base_seconds": 0.05, "backoff_max_seconds": 0.2}


@dataclass
class DeliveryEnvironment:
    """A database whose outbox is full, a receiver, and a configuration that leads to both."""

    directory: Path
    receiver: WebhookReceiver
    tasks: anyio.abc.TaskGroup
    changes: ChangeSignal

    @property
    def config(self) -> Path:
        return self.directory / "oddaemon.toml"

    @property
    def lake(self) -> Path:
        return self.directory / "lake"

    @asynccontextmanager
    async def running_daemon(self, program: Sequence[str] = DAEMON) -> AsyncIterator[DaemonProcess]:
        async with daemon_process(self.config, self.changes, self.tasks, program) as daemon:
            yield daemon

    async def read_outbox(self) -> list[outbox.DeliveryRow]:
        async with SqliteDatabase.open_for_reading(str(self.directory / "oddaemon.db")) as database:
            return await outbox.list_deliveries(database)

    async def wait_until_done(self, daemon: DaemonProcess | None = None) -> bool:
        """Wait until everything is delivered, or the daemon is no more; whether it was delivered."""
        with anyio.fail_after(TIMEOUT_SECONDS):
            while True:
                if all(row.state is DeliveryState.DONE for row in await self.read_outbox()):
                    return True
                if daemon is not None and daemon.is_over:
                    return False
                await anyio.sleep(0.02)  # another process writes it: there is nothing to wait on

    async def assert_all_delivered(self) -> None:
        """One life without harm, to the end of the outbox; then what the consumers hold is what was published."""
        async with self.running_daemon():
            await self.wait_until_done()
        truth = [(row.pat_num, format_money(row.bal_total)) for row in make_night_balances(NIGHTS[-1])]
        for office_id in OFFICES:
            assert self.receiver.list_totals(office_id) == truth
            assert read_consumed(self.lake, office_id) == truth
        assert len(self.receiver.applied) == len(set(self.receiver.applied)) == len(OFFICES) * len(NIGHTS)
        assert self.receiver.forged == 0


@asynccontextmanager
async def delivery_environment(directory: Path) -> AsyncIterator[DeliveryEnvironment]:
    async with SqliteDatabase.open(str(directory / "oddaemon.db")) as database:
        await register_offices(database, [OfficeSpec(each, each) for each in OFFICES])
        for number in NIGHTS:
            for office_id in OFFICES:
                snapshot = make_true_snapshot(make_night_balances(number), number)
                await snapshots.publish(database, office_id, snapshot, make_state(), NOW, sinks=SINKS)
    receiver = WebhookReceiver()
    async with receiver.listening() as url, anyio.create_task_group() as tasks:
        environment = DeliveryEnvironment(directory, receiver, tasks, ChangeSignal())
        push = {"name": "push", "kind": "webhook", "url": url, "secret": SECRET, "content": "changes", "rows_max": 9}
        tables = {
            "api": {"developer_key": "Qm7xT2kLp9RvWc4Z", "base_url": "http://127.0.0.1:9/api/v1"},
            "state": {"database": "oddaemon.db"},
            "http": {"listen": "127.0.0.1:0"},
            "log": {"format": "json"},
            "office": [{"id": each, "customer_key": f"Hb3nY8sVd5FqXg{number}J"} for number, each in enumerate(OFFICES)],
            "sink": [{"name": "lake", "kind": "files", "directory": "lake", **QUICK}, {**push, **QUICK}],
        }
        environment.config.touch(mode=0o600)
        environment.config.write_text(render_toml(tables).lstrip(), encoding="utf-8")
        yield environment
        tasks.cancel_scope.cancel()


async def test_killed_before_and_after_each_acknowledgement(tmp_path: Path) -> None:
    async with delivery_environment(tmp_path) as played:
        kills = 0
        for life in range(100):
            async with played.running_daemon() as daemon:
                played.receiver.on_response = make_killer(daemon, ("before", "after")[life % 2], requests=1 + life % 5)
                if await played.wait_until_done(daemon):
                    break
                assert await daemon.wait_for_exit() == -signal.SIGKILL
                kills += 1
        assert kills >= len(OFFICES) * len(NIGHTS)
        played.receiver.on_response = lambda *_: None
        await played.assert_all_delivered()


def make_killer(daemon: DaemonProcess, moment: str, requests: int) -> Callable[[str, ReceivedRequest], None]:
    """Kills it at this moment of its request of this number, counted from one."""
    observed = 0

    def kill_at(now: str, _: ReceivedRequest) -> None:
        nonlocal observed
        if now != moment:
            return
        observed += 1
        if observed == requests:
            daemon.send_signal(signal.SIGKILL)

    return kill_at


async def test_killed_beside_each_commit(tmp_path: Path) -> None:
    async with delivery_environment(tmp_path) as played:
        kills = 0
        for life in range(LIVES):
            where = ("--before", "--after")[life % 2]
            program = ("tests.crash.killable_process", where, str(3 + 2 * life), "--")
            async with played.running_daemon(program) as daemon:
                # Once all is delivered nothing is committed for minutes: its number may never come.
                if await played.wait_until_done(daemon):
                    break
                assert await daemon.wait_for_exit() == -signal.SIGKILL
                kills += 1
        assert kills >= KILLS_MIN
        await played.assert_all_delivered()
