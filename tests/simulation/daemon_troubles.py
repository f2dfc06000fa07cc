"""What happens to the daemon: it ends and starts again, is told to want something else, finds its clock changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import time
from random import Random

from oddaemon.core.model import Include, Reader
from oddaemon.settings import OfficeSettings
from tests.simulation.cast import DAY, HOUR, Cast, Member
from tests.simulation.deeds import ClockStep, Deed, Ending, Reload
from tests.simulation.moments import moment
from tests.simulation.troubles import Reach, Trouble

DRAIN_SECONDS_MAX = 80.0
CRASH_AWAITED_SECONDS_MAX = 3600.0
"""A crash at a line of the log that does not come happens all the same."""

DrawTrouble = Callable[[Random, Cast, str], Trouble]


def _restarts(dice: Random, cast: Cast, _office_id: str) -> Trouble:
    """The daemon ends some times, in every way and at any moment, and is down for seconds or hours."""
    endings: list[Deed] = []
    for _ in range(dice.randint(1, 6)):
        how = dice.choices(("crash", "stop", "drain"), (70, 15, 15))[0]
        down_seconds = dice.choice((0.0, 0.0, 5.0, 300.0, 3 * HOUR))
        at = moment(dice, cast, dice.choice(cast.ids))
        lines, steps = (dice.randint(1, 20), dice.randint(0, 12)) if dice.random() < 0.6 else (0, 0)
        endings.append(Ending(at, how, down_seconds, lines, steps))  # type: ignore[arg-type]  # of literals
    return _of("restarts", cast, endings)


def _reloads(dice: Random, cast: Cast, _office_id: str) -> Trouble:
    """Offices are taken out, put back and changed while the others go on."""
    deeds: list[Deed] = []
    for _ in range(dice.randint(1, 3)):
        member = cast.member(dice.choice(cast.ids))
        at, why, changed = moment(dice, cast, member.id), *_changed(dice, member)
        deeds.append(Reload(at, ((member.id, changed),), why))
        deeds.append(Reload(at + dice.choice((1.0, 60.0, 4 * HOUR)), ((member.id, member.settings),), "as it was"))
    return _of("reloads", cast, deeds)


def _changed(dice: Random, member: Member) -> tuple[str, OfficeSettings | None]:
    settings, office = member.settings, member.settings.office
    include = Include.ALL if office.include is Include.DEBTS else Include.DEBTS
    clinics = (0, 1) if member.spec.clinics and not office.clinics else ()
    changes: dict[str, OfficeSettings | None] = {
        "taken out": None,
        "switched off": replace(settings, office=replace(office, enabled=False)),
        "other guarantors": replace(settings, office=replace(office, include=include)),
        "other clinics": replace(settings, office=replace(office, clinics=clinics)),
        "in pages": replace(settings, office=replace(office, reader=Reader.PAGES)),
        "other deadline": replace(settings, office=replace(office, fresh_by=time(6, 30))),
        "other name": replace(settings, office=replace(office, name="A new name")),
        "without its zone": replace(settings, office=replace(office, zone=None)),
    }
    why = dice.choice(list(changes))
    return why, changes[why]


def _clock_steps(dice: Random, cast: Cast, _office_id: str) -> Trouble:
    """The clock of the daemon's machine jumps, and later it is put right."""
    by_seconds = dice.choice((-90.0, 90.0, -HOUR, HOUR, -7 * HOUR, 7 * HOUR, -DAY, 30 * DAY, -300 * DAY, 300 * DAY))
    begins = moment(dice, cast, dice.choice(cast.ids))
    ends = begins + dice.choice((60.0, HOUR, 8 * HOUR))
    deeds = (ClockStep(begins, by_seconds), ClockStep(ends, -by_seconds))
    return Trouble(CLOCK_STEPS, cast.ids, begins, ends, Reach.SOMETIMES, deeds=deeds)


CLOCK_STEPS = "clock steps"


def _of(kind: str, cast: Cast, deeds: list[Deed]) -> Trouble:
    """Of no excuse: when the daemon was down and who was wanted is known from what happened."""
    deeds = sorted(deeds, key=lambda deed: deed.at_seconds)
    return Trouble(kind, cast.ids, deeds[0].at_seconds, deeds[-1].at_seconds, Reach.NOTHING, deeds=tuple(deeds))


DAEMON_TROUBLES: dict[str, DrawTrouble] = {
    "restarts": _restarts,
    "reloads": _reloads,
    CLOCK_STEPS: _clock_steps,
}
