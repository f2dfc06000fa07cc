"""A thousand offices on four hosts, which are upgraded one by one in the middle of the night's work."""

from collections.abc import Sequence
from itertools import pairwise

from tests.fleet.evidence import Sample
from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet, make_offices, poll_until, running_fleet
from tests.fleet.stories.conclusion import conclude, fleet_story

pytestmark = fleet_story

HOSTS = "abcd"
OFFICES = 1000
SHARE_MIN = 100
"""Offices of a host that is back, before the next one goes."""
UNATTENDED_SECONDS = 5.0
NIGHT_SECONDS = 240.0
SETTINGS = {
    "api": {"max_in_flight": 64, "max_requests_per_second": 100.0},
    "cadence": {"idle_probe_seconds": 600.0, "probe_seconds": 30.0, "late_probe_seconds": 30.0},
}
NEWER, NEWEST_SERVED = "0099", "0099"
"""A revision that this program does not know."""


async def test_a_rolling_upgrade_of_a_thousand_offices(figures: FigureRecorder) -> None:
    offices = make_offices(OFFICES, guarantors=8, settled=2)
    async with running_fleet(HOSTS, offices, settings=SETTINGS, sample_seconds=0.5) as fleet:
        for name in HOSTS:
            await fleet.hosts[name].start()
        await fleet.wait_for(
            lambda sample: bool(sample.leases) and all(len(sample.list_held(name)) > SHARE_MIN for name in HOSTS),
            "each host has its share",
        )
        await fleet.observer.watch_writes()
        began = len(fleet.observer.samples)
        for name in HOSTS:
            assert await fleet.hosts[name].end() == 0
            if name == "b":  # from here on the newer program's schema, beside hosts that do not know it
                await fleet.observer.fetch("UPDATE alembic_version SET version_num = %s", [NEWER])
            await fleet.hosts[name].start()
            await fleet.wait_for(lambda sample, name=name: len(sample.list_held(name)) > SHARE_MIN, f"{name} is back")  # type: ignore[misc]
        rolling = fleet.observer.samples[began:]
        gap = max(find_unattended_seconds(rolling).values())
        figures.record("rolling upgrade of 4 hosts", "longest time without a holder", gap, limit=UNATTENDED_SECONDS)
        figures.record("rolling upgrade of 4 hosts", "all of it", (rolling[-1].at - rolling[0].at).total_seconds())
        await wait_for_night(fleet)
        await check_refusal(fleet)
        assert gap <= UNATTENDED_SECONDS
        await conclude(fleet, figures)


async def wait_for_night(fleet: Fleet) -> None:
    """Every office has published."""

    async def is_complete() -> bool:
        ((count,),) = await fleet.observer.fetch("SELECT count(DISTINCT office) FROM snapshot")
        return bool(count == OFFICES)

    await poll_until(is_complete, NIGHT_SECONDS)


async def check_refusal(fleet: Fleet) -> None:
    """A program that the newer schema no longer serves does not start, and the running ones go on."""
    await fleet.observer.fetch("UPDATE compatibility SET serves_from = %s", [NEWEST_SERVED])
    assert await fleet.hosts["d"].end() == 0
    daemon = await fleet.hosts["d"].start()
    assert await daemon.wait_for_exit() != 0
    await fleet.wait_for(lambda sample: not sample.list_unheld(), "the others hold everything")


def find_unattended_seconds(samples: Sequence[Sample]) -> dict[str, float]:
    """The longest time that each office had no living holder, as far as samples show it."""
    longest: dict[str, float] = {"": 0.0}
    since: dict[str, float] = {}
    start = samples[0].at
    for before, after in pairwise(samples):
        unheld = set(after.list_unheld())
        for office in unheld:
            first = since.setdefault(office, (before.at - start).total_seconds())
            longest[office] = max(longest.get(office, 0.0), (after.at - start).total_seconds() - first)
        for office in since.keys() - unheld:
            del since[office]
    return longest
