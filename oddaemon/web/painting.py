"""The fleet, painted: pieces of HTML, each with the turn at which it changed last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from oddaemon.web.pictures import FleetPicture, OfficeLine

Parts = Mapping[str, str]
"""The inside of elements by their id."""


NOTHING = FleetPicture(())


@dataclass(frozen=True, slots=True)
class Piece:
    """One office on the page of the fleet."""

    line: OfficeLine
    cell: Markup = field(repr=False)
    row: Markup = field(repr=False)
    find: str = field(repr=False)
    """What the search looks at."""
    labels: str = field(repr=False)
    """Those of the office, a line each."""

    def looks_like(self, other: "Piece") -> bool:
        """Whether a reader sees no difference."""
        return (self.cell, self.row, self.find, self.labels) == (other.cell, other.row, other.find, other.labels)


@dataclass(frozen=True, slots=True)
class Painting:
    """The fleet at one turn; never changed, so a thread may look at it while the next one is painted."""

    turn: int = 0
    rebuilt_turn: int = 0
    """When offices came or went last, or the configuration was put in force again."""
    picture: FleetPicture = NOTHING
    parts: Parts = field(default_factory=dict)
    pieces: Mapping[str, Piece] = field(default_factory=dict)
    """By the office's id, in the picture's order."""
    part_turns: Mapping[str, int] = field(default_factory=dict)
    """When each changed last."""
    piece_turns: Mapping[str, int] = field(default_factory=dict)
    """When each looked different last."""
    line_turns: Mapping[str, int] = field(default_factory=dict)
    """When anything of an office changed last, on the page of the fleet or only on its own."""

    def changed_parts(self, since: int) -> Parts:
        """The parts that are others than at turn `since`."""
        return {name: self.parts[name] for name, turn in self.part_turns.items() if turn > since}

    def changed_pieces(self, since: int) -> Sequence[Piece]:
        """The same of the offices."""
        return [self.pieces[office] for office, turn in self.piece_turns.items() if turn > since]
