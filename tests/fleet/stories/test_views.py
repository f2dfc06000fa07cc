"""What people and programs see of a fleet, from each host: the same, and every office once."""

import signal
from collections.abc import Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.fleet.fleet import make_offices, poll_until, running_fleet
from tests.fleet.host import FleetHost
from tests.fleet.stories.conclusion import fleet_story

pytestmark = fleet_story

OFFICES = 12


async def scrape(host: FleetHost) -> Mapping[str, list[Mapping[str, str]]]:
    """The labels of each series of a host, by family."""
    transport = httpx.AsyncHTTPTransport(uds=str(host.socket))
    async with httpx.AsyncClient(transport=transport) as client:
        text = (await client.get("http://localhost/metrics")).text
    return {
        family.name: [sample.labels for sample in family.samples] for family in text_string_to_metric_families(text)
    }


async def list_measured_offices(host: FleetHost) -> list[str]:
    return [labels["office"] for labels in (await scrape(host))["oddaemon_office_condition"]]


async def show_fleet(host: FleetHost) -> Mapping[str, Any]:
    status, document = await host.run_command("fleet")
    assert status == 0, document
    shown: Mapping[str, Any] = document
    return shown


async def show_hosts(host: FleetHost) -> Mapping[str, str | None]:
    """The host of each office, as this one shows it."""
    _, document = await host.run_command("status")
    return {office["id"]: office["host"] for office in document["offices"]}


async def test_every_host_shows_the_whole_fleet_and_measures_its_own_offices() -> None:
    async with running_fleet("ab", make_offices(OFFICES)) as fleet:
        await fleet.start("a", "b")
        hosts = [fleet.hosts["a"], fleet.hosts["b"]]
        measured = [await list_measured_offices(host) for host in hosts]
        assert all(measured)
        assert sorted(measured[0] + measured[1]) == sorted(await show_hosts(hosts[0]))

        names = [host.name for host in hosts]
        expected = {office: name for name, offices in zip(names, measured, strict=True) for office in offices}

        async def is_seen_alike() -> bool:
            return [await show_hosts(host) for host in hosts] == [expected, expected]

        await poll_until(is_seen_alike)
        for host in hosts:
            document = await show_fleet(host)
            assert document["host"] == host.name
            assert [member["host"] for member in document["members"]] == names
            assert document["offices"] == {"held": OFFICES, "unheld": 0}

        fleet.hosts["b"].send_signal(signal.SIGKILL)

        async def has_taken_over() -> bool:
            return len(await list_measured_offices(hosts[0])) == OFFICES

        await poll_until(has_taken_over)

        async def is_lost_seen() -> bool:
            return bool((await show_fleet(hosts[0]))["lost_hosts"] == [names[1]])

        await poll_until(is_lost_seen)
        assert set((await show_hosts(hosts[0])).values()) == {names[0]}
