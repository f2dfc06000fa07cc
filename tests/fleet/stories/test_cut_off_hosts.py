"""A host that is cut off from the database, for longer or shorter, in whichever way."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import anyio

from tests.fleet.evidence import HostDeath, Sample
from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet, make_offices, running_fleet
from tests.fleet.network.proxy import DatabaseProxy
from tests.fleet.stories.conclusion import conclude, fleet_story
from tests.fleet.stories.moments import losing_a_commit

pytestmark = fleet_story

OFFICES = 30
BACK_SECONDS = 30.0
"""From the end of a cut until a host works again; a new member waits until the others have made room."""
CUTS: dict[str, tuple[str, Callable[[DatabaseProxy], Any]]] = {
    "a": ("reset", DatabaseProxy.cut),
    "b": ("black hole", DatabaseProxy.hold),
    "c": ("nothing to the server", lambda proxy: proxy.to_server.close()),
    "d": ("nothing from the server", lambda proxy: proxy.to_client.close()),
}
LONG_SECONDS = 20.0
"""A lease of 15 s, and a look."""


async def test_hosts_that_are_cut_off_from_the_database(figures: FigureRecorder) -> None:
    deaths: dict[str, HostDeath] = {}
    async with running_fleet("abcdef", make_offices(OFFICES)) as fleet:
        await fleet.start(*fleet.hosts)
        for seconds in (60.0, 12.0, 3.0):
            cut_off = await cut_all(fleet, seconds)
            if seconds > LONG_SECONDS:
                deaths |= cut_off
            restored = fleet.sample.at
            await fleet.wait_until_settled(*fleet.hosts)
            for name, (way, _) in CUTS.items():
                back = find_return(fleet.observer.samples, name, restored)
                figures.record(f"{seconds:g} s: {way}", "working again after it", back, limit=BACK_SECONDS)
                assert back <= BACK_SECONDS, f"{name} was away for {back:.1f} s after {seconds} s of {way}"
        await conclude(fleet, figures, deaths)


async def cut_all(fleet: Fleet, seconds: float) -> dict[str, HostDeath]:
    """Cut the four hosts off for so long."""
    cut_off = {}
    for name, (way, cut) in CUTS.items():
        cut(fleet.hosts[name].proxy)
        cut_off[f"{seconds:g} s: {way}"] = await fleet.record_death(name)
    await anyio.sleep(seconds)
    for name in CUTS:
        fleet.hosts[name].proxy.restore()
    return cut_off


def find_return(samples: Sequence[Sample], name: str, since: datetime) -> float:
    """How long after this a host worked, and went on to the end."""
    works = [(sample.at, _works(sample, name)) for sample in samples if sample.at >= since]
    last_idle = max((at for at, is_working in works if not is_working), default=since)
    return (last_idle - since).total_seconds()


def _works(sample: Sample, name: str) -> bool:
    return any(each.host == name and each.stage == "working" for each in sample.members.values())


async def test_a_commit_whose_answer_is_lost_is_there_once(figures: FigureRecorder) -> None:
    async with running_fleet("ab", make_offices(6)) as fleet:
        await fleet.start("a", "b")
        office = fleet.sample.list_held("a")[0]
        before = len(await fleet.observer.list_snapshots())
        async with losing_a_commit(fleet, "a"):
            await fleet.simulator.run_aging(office)
        await fleet.wait_until_settled("a", "b")
        await fleet.simulator.run_aging(fleet.sample.list_held("b")[0])
        await anyio.sleep(5)
        snapshots = await fleet.observer.list_snapshots()
        assert len(snapshots) == before + 2
        await conclude(fleet, figures)
