"""One sick office changes nothing for the others: its world is played again with that office in good health."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.simulation.chronicle import Finding
from tests.simulation.play import Outcome, Told, play

NEIGHBOURS = "neighbours"
PACE_SECONDS = 60.0
"""What a sick office may cost the others: its turn at the gate, a request that takes its full time-out."""


def compare(sick: Outcome) -> Iterator[Finding]:
    """Whatever differs for the others from the world in which nothing ails the one office, until all is put right."""
    story = sick.story
    healthy = play(replace(story, troubles=()))
    for office_id in story.cast.ids:
        if office_id != story.sick:
            one, other = (
                [told for told in each.published[office_id] if told.published_seconds < story.cast.seconds]
                for each in (sick, healthy)
            )
            yield from _differences(office_id, one, other)


def _differences(office_id: str, sick: Sequence[Told], healthy: Sequence[Told]) -> Iterator[Finding]:
    """What an office's snapshots beside a sick one have that they have not beside a healthy one."""
    dates, usual_dates = ([str(told.row.aging_date) for told in each] for each in (sick, healthy))
    if dates != usual_dates:
        said = f"published {dates} beside a sick office, {usual_dates} beside a healthy one"
        yield Finding(NEIGHBOURS, office_id, 0.0, said)
        return
    for one, other in zip(sick, healthy, strict=True):
        later = one.published_seconds - other.published_seconds
        if abs(later) > PACE_SECONDS:
            said = f"snapshot of {one.row.aging_date} came {later:+.1f} s later because another office is sick"
            yield Finding(NEIGHBOURS, office_id, one.published_seconds, said)
        elif one.balances != other.balances:
            said = f"snapshot of {one.row.aging_date} has other balances because another office is sick"
            yield Finding(NEIGHBOURS, office_id, one.published_seconds, said)
