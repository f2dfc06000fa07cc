"""One seed's story: who takes part, what goes wrong. All of it follows from the seed, and nothing else does.

Each seed draws only some kinds of trouble and then plants several of each (a swarm): what goes wrong together every
time hides what goes wrong alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.cast import Cast, draw_cast
from tests.simulation.chances import dice_of
from tests.simulation.daemon_troubles import DAEMON_TROUBLES
from tests.simulation.deeds import Deed
from tests.simulation.office_troubles import OFFICE_TROUBLES
from tests.simulation.request_troubles import HEADQUARTERS_DOWN, REQUEST_TROUBLES
from tests.simulation.troubles import Trouble

DrawTrouble = Callable[[Random, Cast, str], Trouble]
KINDS: dict[str, DrawTrouble] = {**REQUEST_TROUBLES, **OFFICE_TROUBLES, **DAEMON_TROUBLES}
OF_EVERYBODY = frozenset({*DAEMON_TROUBLES, HEADQUARTERS_DOWN})
"""Drawn once, whoever is hit."""

QUIET_SHARE = 0.04
"""Of seeds in which nothing goes wrong at all."""
NEIGHBOURS_SHARE = 0.2
"""Of seeds in which one office alone is in trouble, so that the others can be compared with a world where it is not."""


@dataclass(frozen=True)
class Story:
    """What happens in one run."""

    seed: int
    cast: Cast
    troubles: tuple[Trouble, ...]
    sick: str | None = None
    """The one office that is in trouble; None: it may be any of them."""

    @property
    def deeds(self) -> list[Deed]:
        """What somebody does, in order."""
        return sorted((deed for trouble in self.troubles for deed in trouble.deeds), key=lambda deed: deed.at_seconds)

    def describe(self) -> str:
        """The story in words."""
        cast = self.cast
        lines = [f"Seed {self.seed}: {len(cast.members)} offices, {cast.nights} nights from {cast.base.isoformat()}."]
        lines += [f"  {cast.cadence}"]
        lines += [f"  {member}" for member in cast.members]
        lines += [f"  {trouble.describe()}" for trouble in self.troubles]
        return "\n".join(lines)


def draw_story(seed: int) -> Story:
    """The story of a seed."""
    cast = draw_cast(dice_of(seed, "cast"))
    dice = dice_of(seed, "troubles")
    fate = dice.random()
    if fate < QUIET_SHARE:
        return Story(seed, cast, ())
    sick = dice.choice(cast.ids) if fate < QUIET_SHARE + NEIGHBOURS_SHARE else None
    pool = [kind for kind in KINDS if not (sick and kind in OF_EVERYBODY)]
    kinds = dice.sample(pool, min(len(pool), dice.choice((1, 2, 3, 4, 6, 9))))
    troubles: list[Trouble] = []
    for kind in kinds:
        own = dice_of(seed, kind)
        times = 1 if kind in OF_EVERYBODY else own.choice((1, 1, 2, 3))
        troubles += [KINDS[kind](own, cast, sick or own.choice(cast.ids)) for _ in range(times)]
    # Headquarters that is down is in front of everything else.
    troubles.sort(key=lambda trouble: (trouble.kind != HEADQUARTERS_DOWN, trouble.begins))
    return Story(seed, cast, tuple(troubles), sick)
