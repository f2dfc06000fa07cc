"""A host that is cut off from the database, for longer or shorter, in whichever way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import anyio
import pytest

from tests.fleet.evidence import HostDeath, Sample
from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet, make_offices, running_fleet
from tests.fleet.network.namespace import find_missing_privilege, network_namespace
from tests.fleet.stories.conclusion import conclude, fleet_story
from tests.fleet.stories.moments import losing_a_commit

pytestmark = fleet_story

OFFICES = 30
BACK_SECONDS = 30.0
"""From the end of a cut until a host works again; a new member waits until the others have made room."""
DURATIONS = (60.0, 12.0, 3.0)
LONG_SECONDS = 20.0
"""A lease of 15 s, and a look."""


@dataclass(frozen=True)
class Cut:
    """A way for a host to lose the database, and to find it again."""

    what: str
    begin: Callable[[], None]
    end: Callable[[], None]


def list_cuts(fleet: Fleet) -> dict[str, Cut]:
    """One for each of the first four hosts."""
    a, b, c, d = (fleet.hosts[name].proxy for name in "abcd")
    return {
        "a": Cut("reset", a.cut, a.restore),
        "b": Cut("black hole", b.hold, b.restore),
        "c": Cut("nothing to the server", c.to_server.close, c.restore),
        "d": Cut("nothing from the server", d.to_client.close, d.restore),
    }


async def test_hosts_that_are_cut_off_from_the_database(figures: FigureRecorder) -> None:
    async with running_fleet("abcdef", make_offices(OFFICES)) as fleet:
        await check_cuts(fleet, list_cuts(fleet), figures)


@pytest.mark.skipif(bool(find_missing_privilege()), reason=find_missing_privilege() or "all there")
async def test_a_host_whose_network_cable_is_pulled_out(figures: FigureRecorder) -> None:
    with network_namespace() as namespace:
        listeners = {"a": namespace.open_listener()}
        async with running_fleet("abc", make_offices(OFFICES), listeners=listeners) as fleet:
            cut = Cut("network namespace", namespace.unplug, namespace.plug)
            await check_cuts(fleet, {"a": cut}, figures)


async def check_cuts(fleet: Fleet, cuts: Mapping[str, Cut], figures: FigureRecorder) -> None:
    """Cut these hosts off, for longer and shorter: the others take over, and they come back."""
    deaths: dict[str, HostDeath] = {}
    await fleet.start(*fleet.hosts)
    for seconds in DURATIONS:
        cut_off = await cut_all(fleet, cuts, seconds)
        if seconds > LONG_SECONDS:
            deaths |= cut_off
        restored = fleet.sample.at
        await fleet.wait_until_settled(*fleet.hosts)
        for name, cut in cuts.items():
            back = find_return(fleet.observer.samples, name, restored)
            figures.record(f"{seconds:g} s: {cut.what}", "working again after it", back, limit=BACK_SECONDS)
            assert back <= BACK_SECONDS, f"{name} was away for {back:.1f} s after {seconds} s of {cut.what}"
    await conclude(fleet, figures, deaths)


async def cut_all(fleet: Fleet, cuts: Mapping[str, Cut], seconds: float) -> dict[str, HostDeath]:
    """Cut the hosts off for so long."""
    cut_off = {}
    for name, cut in cuts.items():
        cut.begin()
        cut_off[f"{seconds:g} s: {cut.what}"] = await fleet.record_death(name)
    await anyio.sleep(seconds)
    back = await fleet.simulator.read_seconds()
    for cut in cuts.values():
        cut.end()
    # An office may be back before any other host was allowed to ask it.
    return {story: replace(death, back_seconds=back) for story, death in cut_off.items()}


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
