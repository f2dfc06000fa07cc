"""A whole fleet of real processes: daemons, PostgreSQL, headquarters, a proxy for each host, and an observer."""

import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread

from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from oddaemon.simulator.plan.plan_file import derive_customer_key
from tests.crash.change_signal import ChangeSignal
from tests.crash.scenarios import find_noon_zone
from tests.fleet.checkers.agreement import (
    find_command_violations,
    find_lone_destruction,
    find_long_waits,
    find_repeated_nights,
)
from tests.fleet.checkers.leases import (
    find_broken_generations,
    find_requests_without_lease,
    find_revived_members,
    find_unfenced_writes,
)
from tests.fleet.checkers.publication import (
    Acknowledgement,
    ReceivedDelivery,
    find_delivery_violations,
    find_lost_snapshots,
    find_repeated_snapshots,
)
from tests.fleet.checkers.traffic import find_impolite_requests
from tests.fleet.evidence import HostDeath, Sample, Violation
from tests.fleet.host import FleetHost
from tests.fleet.network.postgres_messages import ClientMessage
from tests.fleet.network.proxy import DatabaseProxy, Moment
from tests.fleet.observer import SAMPLE_SECONDS, TableObserver
from tests.fleet.simulator_process import SimulatorProcess, simulator_process
from tests.postgres_server import PostgresServer, running_server
from tests.sinks.webhook_receiver import SECRET, WebhookReceiver

SEED = 7
SINK = "hook"
POLL_SECONDS = 0.2
SETTLED_SECONDS = 5.0
"""Longer than a host takes to give back what is another's, and the other to take it."""
TIMEOUT_SECONDS = 120.0


@dataclass
class Fleet:
    """The parts of a fleet, by their names."""

    server: PostgresServer
    simulator: SimulatorProcess
    observer: TableObserver
    hosts: Mapping[str, FleetHost]
    changes: ChangeSignal
    tasks: anyio.abc.TaskGroup
    receiver: WebhookReceiver
    """Of the deliveries of all offices."""

    @property
    def sample(self) -> Sample:
        """The last one."""
        return self.observer.samples[-1]

    @property
    def received(self) -> list[ReceivedDelivery]:
        """What the receiver got, in order."""
        documents = (request.document for request in self.receiver.requests)
        return [ReceivedDelivery(SINK, each["office"], each["delivery_id"]) for each in documents]

    @property
    def names(self) -> dict[str, str]:
        """The name in the fleet of each host, by the name of its directory."""
        return {name: host.name for name, host in self.hosts.items()}

    async def start(self, *names: str) -> None:
        """Start these hosts at one moment, and wait until every office has its place and its first balances."""
        stops = [self.hosts[name].proxy.intercept(is_joining, Moment.STATEMENT) for name in names]
        for name in names:
            await self.hosts[name].start()
        for stop in stops:
            await stop.wait()
        for stop in stops:
            stop.release()
        await self.wait_until_settled(*names)
        await self.observer.watch_writes()
        offices = len(self.hosts[names[0]].offices)
        await poll_until(partial(self._have_published, offices), TIMEOUT_SECONDS)

    async def _have_published(self, offices: int) -> bool:
        return len({row.office for row in await self.observer.list_snapshots()}) >= offices

    async def wait_until_settled(self, *names: str) -> None:
        """Wait until exactly these hosts work, each holds offices, all are held, and none moves any more."""
        since: list[Sample] = []

        def is_settled(sample: Sample) -> bool:
            working = {each.host for each in sample.members.values() if each.stage == "working"}
            is_whole = working == set(names) and bool(sample.leases) and not sample.list_unheld()
            if since and _list_holders(since[0]) != _list_holders(sample):
                since.clear()
            if is_whole and all(sample.list_held(name) for name in names):
                since.append(sample)
            else:
                since.clear()
            return bool(since) and (sample.at - since[0].at).total_seconds() >= SETTLED_SECONDS

        await self.wait_for(is_settled, f"{', '.join(names)} share all offices", alive=names)

    async def wait_for(
        self,
        condition: Callable[[Sample], bool],
        what: str,
        seconds: float = TIMEOUT_SECONDS,
        alive: Sequence[str] = (),
    ) -> Sample:
        """The next sample for which this holds.

        Args:
            condition: To be fulfilled.
            what: It is, for people.
            seconds: To wait for it.
            alive: The hosts whose daemons must not end meanwhile.

        Raises:
            AssertionError: None comes, or one of these daemons ends.
        """
        with anyio.move_on_after(seconds):
            async for sample in self._iterate_samples(alive):
                if condition(sample):
                    return sample
        raise AssertionError(f"It never came to this: {what}. {self.describe()}")

    async def _iterate_samples(self, alive: Sequence[str]) -> AsyncIterator[Sample]:
        """New samples, until one of these daemons ends."""
        seen = len(self.observer.samples)
        while True:
            await self.changes.wait_until(partial(self._has_news, seen, alive))
            if len(self.observer.samples) == seen:
                return
            yield self.observer.samples[seen]
            seen += 1

    def _has_news(self, seen: int, alive: Sequence[str]) -> bool:
        daemons = [self.hosts[name].daemon for name in alive]
        return len(self.observer.samples) > seen or any(each is not None and each.is_over for each in daemons)

    async def record_death(self, name: str) -> HostDeath:
        """What a host holds and has under way, which was just killed, stopped or cut off."""
        seconds = await self.simulator.read_seconds()
        sample = await self.wait_for(lambda _: True, "another sample")
        held = sample.list_held(name)
        marks = {office: sample.leases["office", office].open_until for office in held}
        open_seconds = {
            office: (mark - sample.at).total_seconds()
            for office, mark in marks.items()
            if mark is not None and mark > sample.at
        }
        return HostDeath(name, seconds, frozenset(held), open_seconds)

    async def find_violations(
        self, requests: Sequence[RecordedRequest], *, may_lose_commits: bool = False
    ) -> list[Violation]:
        """What every run is held against, whatever happened in it.

        Args:
            requests: All of the run.
            may_lose_commits: The database itself was allowed to lose what it had acknowledged.
        """
        samples, observer = self.observer.samples, self.observer
        caps = next(iter(self.hosts.values())).tables["api"]
        snapshots = await observer.list_snapshots()
        lines = {host.name: host.lines for host in self.hosts.values()}
        published = [
            Acknowledgement(line["office"], line["snapshot_id"])
            for line in chain.from_iterable(lines.values())
            if line["event"] == "snapshot_published"
        ]
        found: list[Iterator[Violation]] = [
            find_broken_generations(samples),
            find_revived_members(samples),
            find_requests_without_lease(samples, requests, self.names),
            find_unfenced_writes(await observer.list_writes()),
            find_impolite_requests(
                requests,
                max_in_flight=caps["max_in_flight"],
                max_requests_per_second=caps["max_requests_per_second"],
            ),
            find_repeated_snapshots(snapshots),
            find_delivery_violations(
                await observer.list_deliveries(),
                # The outbox of an office ends with it.
                [each for each in self.received if each.office in self.sample.wanted],
            ),
            find_command_violations(await observer.list_commands()),
            find_long_waits(samples),
            find_lone_destruction(samples),
            find_repeated_nights(lines),
        ]
        if not may_lose_commits:
            found.append(find_lost_snapshots(snapshots, published))
        return list(chain.from_iterable(found))

    def describe(self) -> str:
        """The fleet in a few lines, for a test that failed."""
        if not self.observer.samples:
            members = "No table was ever seen."
        else:
            sample = self.sample
            members = " ".join(
                f"{each.number}:{each.host}:{each.stage}:{len(sample.list_held(each.host))}"
                for each in sample.members.values()
            )
            members += f" unheld: {len(sample.list_unheld())}"
        logs = [
            f"\n{host.name}: {[line for line in host.lines if line.get('level') != 'info'][-5:]}"
            f" {[text for life in host.lives for text in life.other_output][-20:]}"
            for host in self.hosts.values()
        ]
        return members + "".join(logs)


def is_joining(message: ClientMessage) -> bool:
    """Whether a daemon becomes a member of the fleet."""
    return message.statement.upper().startswith("INSERT INTO MEMBER")


async def poll_until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait until something holds that signals nothing, such as a row.

    Raises:
        TimeoutError: It never does.
    """
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110 - it signals nothing
            await anyio.sleep(POLL_SECONDS)


def _list_holders(sample: Sample) -> dict[str, int | None]:
    return {name: lease.holder for (kind, name), lease in sample.leases.items() if kind == "office"}


def make_offices(count: int, **spec: Any) -> list[dict[str, Any]]:
    """The `[[office]]` tables of a plan: small offices where it is noon, so that no run crosses a midnight.

    All have the same families, so the simulator has to understand each statement only once.
    """
    return [
        {
            "id": f"office-{number:04}",
            "seed": SEED,
            "zone": find_noon_zone(),
            "service_time_due": "22:00:00",
            "guarantors": 60,
            "settled": 10,
            "run_seconds": 0.2,
            **spec,
        }
        for number in range(1, count + 1)
    ]


def make_office_tables(offices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same offices in the configuration of a daemon."""
    return [
        {"id": each["id"], "timezone": each["zone"], "customer_key": derive_customer_key(SEED, each["id"])}
        for each in offices
    ]


@asynccontextmanager
async def running_fleet(
    names: str,
    offices: Sequence[Mapping[str, Any]],
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    server_settings: Mapping[str, str] | None = None,
    sample_seconds: float = SAMPLE_SECONDS,
    listeners: Mapping[str, socket.socket] | None = None,
) -> AsyncIterator[Fleet]:
    """A fleet for the length of the block; its hosts are configured, and none is started.

    Args:
        names: A letter for each host.
        offices: As `make_offices` makes them.
        settings: What differs in the configuration of all hosts, by table.
        server_settings: The same of PostgreSQL.
        sample_seconds: How often the tables are read.
        listeners: At which a host finds its way to the database, where it is not a port of this machine.
    """
    directory = Path(tempfile.mkdtemp(prefix="oddaemon-fleet-"))
    connections = {"max_connections": "100", **(server_settings or {})}
    async with AsyncExitStack() as servers, anyio.create_task_group() as tasks, AsyncExitStack() as daemons:
        servers.callback(shutil.rmtree, directory, ignore_errors=True)
        server = servers.enter_context(running_server(has_port=True, settings=connections))
        plan = {"seed": SEED, "headquarters": {"base_seconds": 0.02, "query_seconds": 0.02}, "office": list(offices)}
        simulator = await servers.enter_async_context(simulator_process(plan, directory))
        changes = ChangeSignal()
        observer = TableObserver(server.make_dsn(), changes.notify)
        receiver = WebhookReceiver()
        url = await tasks.start(_listen, receiver)
        hosts = {}
        for name in names:
            proxy = DatabaseProxy(server.get_port())
            await tasks.start(_serve, proxy, (listeners or {}).get(name))
            hosts[name] = FleetHost(
                *(name, directory / name, proxy, simulator.base_url, changes, tasks, daemons),
                offices=make_office_tables(offices),
                sinks=[{"name": SINK, "kind": "webhook", "url": url, "secret": SECRET}],
                settings=settings or {},
            )
        tasks.start_soon(observer.run, sample_seconds, name="observer")
        # After the daemons' ends, and before those of what they use.
        daemons.callback(tasks.cancel_scope.cancel)
        daemons.callback(_kill_all, hosts)
        yield Fleet(server, simulator, observer, hosts, changes, tasks, receiver)


async def _listen(receiver: WebhookReceiver, *, task_status: anyio.abc.TaskStatus[str]) -> None:
    async with receiver.listening() as url:
        task_status.started(url)
        await anyio.sleep_forever()


async def _serve(
    proxy: DatabaseProxy, listener: socket.socket | None, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    async with proxy.listening(listener):
        task_status.started()
        await anyio.sleep_forever()


def _kill_all(hosts: Mapping[str, FleetHost]) -> None:
    """A process that is stopped ends, too."""
    for life in chain.from_iterable(host.lives for host in hosts.values()):
        life.send_signal(signal.SIGKILL)
