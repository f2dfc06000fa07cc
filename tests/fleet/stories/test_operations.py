"""What operators do to a fleet: upgrades host by host, orders, files that differ, clocks and names that are wrong."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fleet.checkers.agreement import has_agreement
from tests.fleet.evidence import Sample
from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet, make_offices, poll_until, running_fleet
from tests.fleet.network.pgbouncer import PROGRAM, running_pgbouncer
from tests.fleet.stories.conclusion import conclude, fleet_story

pytestmark = fleet_story

QUICK: Mapping[str, Mapping[str, Any]] = {"fleet": {"lease_seconds": 6}}
"""For what is not measured against the defaults."""
DRAIN_SECONDS = 3.0
ANSWER_SECONDS = 120.0
"""A host that died may have had a request under way, whose end its successor waits for."""
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CLOCK_SECONDS = 300.0
"""Far more than a run takes, and far less than an hour."""


async def test_offices_of_a_drained_host_are_elsewhere_at_once(figures: FigureRecorder) -> None:
    async with running_fleet("abc", make_offices(30)) as fleet:
        await fleet.start("a", "b", "c")
        began = fleet.sample.at
        held = fleet.sample.list_held("a")
        assert await fleet.hosts["a"].end() == 0
        await fleet.wait_for(lambda sample: not sample.list_unheld(), "b and c hold everything")
        seconds = [find_seconds_to_other(fleet.observer.samples, office, "a", began) for office in held]
        figures.record_all("drain", "held elsewhere", seconds, DRAIN_SECONDS)
        assert max(seconds) <= DRAIN_SECONDS
        await conclude(fleet, figures)


def find_seconds_to_other(samples: Sequence[Sample], office: str, host: str, began: Any) -> float:
    """From then until another host holds an office."""
    for sample in samples:
        holder = sample.find_holder(office)
        if sample.at > began and holder is not None and holder.is_alive and holder.host != host:
            return float((sample.at - began).total_seconds())
    raise AssertionError(f"{office} is nowhere else")


async def test_every_office_gets_an_order_while_hosts_die(figures: FigureRecorder) -> None:
    async with running_fleet("abcd", make_offices(24)) as fleet:
        await fleet.start("a", "b", "c", "d")
        answers: list[tuple[str, str, int, str]] = []

        async def give(office: str, verb: str) -> None:
            answers.append((office, verb, *await fleet.hosts["d"].order(office, verb)))

        offices = sorted(name for kind, name in fleet.sample.leases if kind == "office")
        for verb in ("pause", "resume"):
            async with anyio.create_task_group() as tasks:
                for number, office in enumerate(offices):
                    tasks.start_soon(give, office, verb)
                    if number == len(offices) // 2:
                        await anyio.sleep(0.2)
                        fleet.hosts[{"pause": "a", "resume": "b"}[verb]].send_signal(signal.SIGKILL)
            await fleet.wait_for(lambda sample: not sample.list_unheld(), "the others hold everything")
            await wait_for_answers(fleet)
        assert {status for _, _, status, _ in answers} <= {200, 202}, answers
        conditions = await fleet.observer.fetch("SELECT id, condition FROM office WHERE condition = 'paused'")
        assert not conditions
        await conclude(fleet, figures)


async def wait_for_answers(fleet: Fleet) -> None:
    async def are_answered() -> bool:
        return all(each.answered_at is not None for each in await fleet.observer.list_commands())

    await poll_until(are_answered, ANSWER_SECONDS)


async def test_files_that_differ_destroy_nothing(figures: FigureRecorder) -> None:
    offices = make_offices(12)
    async with running_fleet("abc", offices, settings=QUICK) as fleet:
        all_tables, all_sinks = list(fleet.hosts["a"].offices), fleet.hosts["a"].sinks
        fleet.hosts["b"].offices = [{**all_tables[1], "min_interval_seconds": 3.0}, *all_tables[2:], all_tables[0]]
        fleet.hosts["c"].offices, fleet.hosts["c"].sinks = all_tables[1:], []
        await fleet.start("a", "b", "c")
        missing, differing = all_tables[0]["id"], all_tables[1]["id"]
        assert not has_agreement(fleet.sample)
        # The one with the old file is the one that removes what no host has.
        assert "configuration" in fleet.sample.list_held("c", "role")
        assert missing not in fleet.sample.list_held("c")
        fleet.hosts["a"].send_signal(signal.SIGKILL)
        fleet.hosts["c"].send_signal(signal.SIGKILL)
        # What differs waits a minute for a host that has it as it was.
        everything = sorted(each["id"] for each in offices)
        await fleet.wait_for(lambda sample: sample.list_held("b") == everything, "b alone holds everything")
        assert {missing, differing} <= set(fleet.sample.list_held("b"))
        assert fleet.sample.wanted == {each["id"] for each in offices}
        for name in ("a", "b", "c"):  # now they agree: an office less
            fleet.hosts[name].offices, fleet.hosts[name].sinks = all_tables[1:], all_sinks
        fleet.hosts["b"].configure()
        await fleet.hosts["a"].start()
        rest = sorted(each["id"] for each in all_tables[1:])
        sample = await fleet.wait_for(
            lambda sample: (
                bool(sample.list_held("a")) and sorted(sample.list_held("a") + sample.list_held("b")) == rest
            ),
            "a and b share the rest",
        )
        assert missing in sample.wanted, "c was lost, and its file is another one"
        await fleet.hosts["c"].start()
        await fleet.wait_for(lambda sample: missing not in sample.wanted, "the office that no host has is not wanted")
        await conclude(fleet, figures)


@pytest.mark.skipif(not FAKETIME.exists(), reason="no libfaketime (Debian: apt-get install faketime)")
async def test_a_host_whose_clock_is_wrong_works_by_the_database_s(figures: FigureRecorder) -> None:
    wrapper = ["env", f"LD_PRELOAD={FAKETIME}", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]
    async with running_fleet("abc", make_offices(18), settings=QUICK) as fleet:
        await fleet.hosts["a"].start()
        await fleet.hosts["b"].start(wrapper=[*wrapper, "FAKETIME=+3600"])
        await fleet.hosts["c"].start(wrapper=[*wrapper, "FAKETIME=-3600"])
        await fleet.wait_until_settled("a", "b", "c")
        await fleet.observer.watch_writes()
        for office in make_offices(18):
            await fleet.simulator.run_aging(office["id"])
        fleet.hosts["a"].send_signal(signal.SIGKILL)
        await fleet.wait_for(lambda sample: not sample.list_unheld(), "b and c hold everything")
        await anyio.sleep(10)
        ((least, greatest),) = await fleet.observer.fetch(
            "SELECT min(extract(epoch FROM clock_timestamp() - published_at))::float,"
            " max(extract(epoch FROM clock_timestamp() - published_at))::float FROM snapshot"
        )
        assert 0 <= least <= greatest < CLOCK_SECONDS
        await conclude(fleet, figures)


async def test_two_daemons_of_one_name_do_no_harm(figures: FigureRecorder) -> None:
    settings = {"fleet": {"lease_seconds": 6, "host": "a"}}
    async with running_fleet("ab", make_offices(12)) as fleet:
        for host in fleet.hosts.values():
            host.settings = settings
        await fleet.hosts["a"].start()
        await fleet.wait_for(lambda sample: bool(sample.leases) and not sample.list_unheld(), "one holds everything")
        await fleet.observer.watch_writes()
        await fleet.hosts["b"].start()
        await anyio.sleep(25)
        await fleet.wait_for(lambda sample: not sample.list_unheld(), "one of them holds everything")
        fleet.hosts["b"].name = "a"  # as the table calls both
        await conclude(fleet, figures)


@pytest.mark.skipif(PROGRAM is None, reason="no pgbouncer (Debian: apt-get install pgbouncer)")
async def test_a_pooler_by_transactions_is_refused() -> None:
    async with running_fleet("a", make_offices(1)) as fleet:
        with running_pgbouncer(fleet.server, "transaction") as port:
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            fleet.hosts["a"].settings = {"state": {"database": url}}
            daemon = await fleet.hosts["a"].start()
            assert await daemon.wait_for_exit() not in (0, None)
        tables = fleet.server.execute("SELECT to_regclass('member')::text")
        assert tables == [(None,)] or fleet.server.execute("SELECT count(*) FROM member") == [(0,)]
