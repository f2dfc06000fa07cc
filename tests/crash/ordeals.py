"""What the daemon is put through: every boundary of three scenes, one kill at a time; all scenes, several in a row."""

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash.kills import Kill, at_random, boundaries
from tests.crash.scenes import Scene
from tests.crash.telling import Told, tell
from tests.crash.verdict import Rehearsal, complaints_of

WHOLE = ("statement", "pages", "parts")
"""Scenes of which every boundary is played."""
EARLY_REQUESTS = 4
EARLY_COMMITS = 3
"""Of a life that goes on with a story: so early that even three of them in a row leave some of it to tell."""


@dataclass(frozen=True)
class Ordeal:
    """One telling to come: a scene, and a kill for each life but the last."""

    scene: str
    kills: Sequence[Kill]

    @property
    def replay(self) -> str:
        """The command that does just this again."""
        return f"python -m tests.crash --scene {self.scene} --kill {' '.join(map(str, self.kills))}"


@dataclass(frozen=True)
class Outcome:
    """An ordeal that is over, and what went wrong in it."""

    ordeal: Ordeal
    told: Told
    wrong: Sequence[str]


def alone(rehearsals: Mapping[str, Rehearsal], dice: random.Random) -> list[Ordeal]:
    """Every boundary of the scenes that are played whole, each in a telling of its own, in random order."""
    ordeals = [
        Ordeal(name, (kill,))
        for name in WHOLE
        if name in rehearsals
        for kill in boundaries(rehearsals[name].told.requests, rehearsals[name].commits, dice)
    ]
    dice.shuffle(ordeals)
    return ordeals


def in_a_row(scene: str, count: int, dice: random.Random) -> Ordeal:
    """Boundaries, then random instants: each life goes on where the one before was killed.

    The boundaries come first, because how far a life gets until a random instant is the machine's affair.
    """
    early = list(boundaries(EARLY_REQUESTS, EARLY_COMMITS, dice))
    certain = [dice.choice(early) for _ in range(count - count // 2)]
    return Ordeal(scene, (*certain, *(at_random(2 * EARLY_REQUESTS, dice) for _ in range(count // 2))))


async def rehearse(scene: Scene) -> Rehearsal:
    """Tell a scene without any kill.

    Raises:
        AssertionError: even that goes wrong.
    """
    with _empty_directory() as directory:
        tally = directory.parent / "tally"
        told = await tell(scene, (), directory, tally)
        assert not told.wrong, "\n".join(told.wrong)
        return Rehearsal(told, int(tally.read_text(encoding="ascii")))


async def undergo(ordeal: Ordeal, scene: Scene, rehearsal: Rehearsal) -> Outcome:
    """Tell a scene through an ordeal's kills, and judge what is left."""
    with _empty_directory() as directory:
        told = await tell(scene, ordeal.kills, directory)
        return Outcome(ordeal, told, list(complaints_of(told, rehearsal)))


@contextmanager
def _empty_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oddaemon-crash-") as directory:
        place = Path(directory) / "daemon"
        place.mkdir()
        yield place
