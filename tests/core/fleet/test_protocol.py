"""Whatever happens to the hosts of a fleet: one holder for each office, and no request too many or too soon."""

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from oddaemon.core.fleet.lease import PERMIT_SECONDS, REQUEST_SECONDS_MAX
from tests.core.fleet.fleet_tables import FleetHost, FleetTables, TrafficLog

OFFICES = dict.fromkeys(("elm", "oak", "ash", "fir", "yew", "bay"), "0")
HOSTS = ("one", "two", "three")
SEEDS = 8
LONGEST_SECONDS = REQUEST_SECONDS_MAX - PERMIT_SECONDS


class FleetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tables = FleetTables()
        self.hosts = {name: FleetHost(self.tables, name, OFFICES) for name in HOSTS}
        self.running: dict[str, bool] = {}
        """False: the process is stopped."""
        self.traffic = TrafficLog()
        self.generations: dict[str, list[tuple[int, int]]] = {name: [] for name in OFFICES}

    def _pick(self, name: str) -> FleetHost | None:
        return self.hosts[name] if self.running.get(name) else None

    @rule(name=st.sampled_from(HOSTS))
    def start_host(self, name: str) -> None:
        """A first start, a restart after a kill, or the end of a loss of the database."""
        if self.running.get(name) is not False:
            self.hosts[name].start()
            self.running[name] = True

    @rule(name=st.sampled_from(HOSTS))
    def stop_process(self, name: str) -> None:
        if name in self.running:
            self.running[name] = False

    @rule(name=st.sampled_from(HOSTS))
    def continue_process(self, name: str) -> None:
        if name in self.running:
            self.running[name] = True

    @rule(name=st.sampled_from(HOSTS))
    def kill(self, name: str) -> None:
        self.running.pop(name, None)

    @rule(name=st.sampled_from(HOSTS))
    def renew(self, name: str) -> None:
        if host := self._pick(name):
            host.renew()

    @rule(name=st.sampled_from(HOSTS))
    def look(self, name: str) -> None:
        if host := self._pick(name):
            host.look()

    @rule(name=st.sampled_from(HOSTS))
    def ask_permit(self, name: str) -> None:
        if host := self._pick(name):
            host.ask_permit()

    @rule(
        name=st.sampled_from(HOSTS),
        seconds=st.sampled_from([0.1, 2.0, 30.0, LONGEST_SECONDS]),
        retry_after=st.sampled_from([0.0, 0.0, 20.0]),
    )
    def send(self, name: str, seconds: float, retry_after: float) -> None:
        if (host := self._pick(name)) and (request := host.send(seconds, retry_after)):
            self.traffic.record(request)

    @rule(name=st.sampled_from(HOSTS))
    def receive(self, name: str) -> None:
        if host := self._pick(name):
            for request in host.receive():
                self.traffic.note_answer(request)

    @rule(seconds=st.sampled_from([0.1, 0.5, 2.0, 6.0, 16.0, 80.0]))
    def wait(self, seconds: float) -> None:
        self.tables.now += timedelta(seconds=seconds)

    @rule(rounds=st.integers(1, 30), seconds=st.sampled_from([0.3, 8.0, 30.0]))
    @precondition(lambda self: any(self.running.values()))
    def work(self, rounds: int, seconds: float) -> None:
        """Ordinary work of every running host, whose requests take so long."""
        for _ in range(rounds):
            for name in HOSTS:
                if host := self._pick(name):
                    host.renew()
                    host.look()
                    for request in host.receive():
                        self.traffic.note_answer(request)
                    host.ask_permit()
                    if request_sent := host.send(seconds, 0.0):
                        self.traffic.record(request_sent)
            self.tables.now += timedelta(seconds=0.3)

    @invariant()
    def each_generation_has_one_holder(self) -> None:
        for name, lease in self.tables.leases.items():
            if lease.holder is not None:
                seen = self.generations[name]
                if not seen or seen[-1] != (lease.generation, lease.holder):
                    assert all(generation < lease.generation for generation, _ in seen)
                    seen.append((lease.generation, lease.holder))


TestFleetProtocol = FleetMachine.TestCase
TestFleetProtocol.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)


class Storm:
    """Minutes under load, in which hosts die, freeze, thaw, come and leave in any order."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.tables, self.traffic = FleetTables(), TrafficLog()
        names = {f"office-{number}": "0" for number in range(20)}
        self.hosts = [FleetHost(self.tables, name, names) for name in ("one", "two", "three", "four")]
        self.running: set[str] = set()
        self.frozen: set[str] = set()

    def strike(self) -> None:
        """Let one thing happen to one host, or nothing."""
        host = self.draw.choice(self.hosts)
        match self.draw.choices(["start", "kill", "freeze", "thaw", "leave", None], [8, 1, 1, 4, 1, 120])[0]:
            case "start" if host.name not in self.running:
                host.start()
                self.running.add(host.name)
            case "kill":
                self.running.discard(host.name)
                self.frozen.discard(host.name)
            case "freeze" if host.name in self.running:
                self.frozen.add(host.name)
            case "thaw":
                self.frozen.discard(host.name)
            case "leave" if host.name in self.running - self.frozen and not host.open and host.permitted is None:
                host.leave()
                self.running.discard(host.name)

    def work(self) -> None:
        """One turn of each host that runs, in any order."""
        active = [each for each in self.hosts if each.name in self.running - self.frozen]
        for each in self.draw.sample(active, len(active)):
            if self.draw.random() < 0.3:
                each.renew()
            if self.draw.random() < 0.3:
                each.look()
            for answered in each.receive():
                self.traffic.note_answer(answered)
            each.ask_permit()
            seconds, retry_after = self.draw.choice([0.2, 3.0, 40.0]), self.draw.choice([0.0, 0.0, 15.0])
            if self.draw.random() < 0.8 and (request := each.send(seconds, retry_after)):
                self.traffic.record(request)
        self.tables.now += timedelta(seconds=self.draw.choice([0.05, 0.2, 0.5]))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_storm_of_kills_stops_and_restarts_breaks_a_limit(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(1200):
        storm.strike()
        storm.work()
    assert len(storm.traffic.sent) > 20


def work(hosts: list[FleetHost], tables: FleetTables, offices: set[str], seconds: float = 60.0) -> datetime:
    """Let hosts work until each of the offices has been asked by one of them, and return when the last one was."""
    end = tables.now + timedelta(seconds=seconds)
    while offices and tables.now < end:
        for host in hosts:
            host.renew()
            host.look()
            list(host.receive())
            host.ask_permit()
            if (request := host.send(0.2, 0.0)) is not None:
                offices = offices - {request.office}
        tables.now += timedelta(seconds=0.25)
    assert not offices, "they were not asked"
    return tables.now


def make_fleet() -> tuple[FleetTables, list[FleetHost], set[str]]:
    """Three hosts that have shared their offices."""
    tables = FleetTables()
    names = {f"office-{number}" for number in range(12)}
    hosts = [FleetHost(tables, name, dict.fromkeys(names, "0"), poll_seconds=5.0) for name in HOSTS]
    for host in hosts:
        host.start()
    work(hosts, tables, names)
    assert all(host.held for host in hosts)
    return tables, hosts, names


def test_the_offices_of_a_dead_host_are_asked_by_others_within_thirty_seconds() -> None:
    tables, (*living, dead), _ = make_fleet()
    tables.now += timedelta(seconds=1)
    list(dead.receive())
    died_at = tables.now
    last = work(living, tables, set(dead.held))
    assert last - died_at <= timedelta(seconds=30)


def test_an_office_that_was_being_asked_waits_until_that_request_must_have_ended() -> None:
    tables, (*living, dead), _ = make_fleet()
    tables.now += timedelta(seconds=1)
    list(dead.receive())
    while dead.send(LONGEST_SECONDS, 0.0) is None:
        tables.now += timedelta(seconds=0.25)
        for host in (*living, dead):
            host.renew()
        dead.ask_permit()
    (busy,) = dead.open
    died_at = tables.now
    with pytest.raises(AssertionError):
        work(living, tables, {busy}, REQUEST_SECONDS_MAX - PERMIT_SECONDS)
    last = work(living, tables, {busy})
    assert last - died_at <= timedelta(seconds=80)
