"""The fleet as it was painted last, shared by all who look: what changed is painted anew, at most once a second.

Each piece carries the turn at which it changed, so whoever has seen turn 12 is sent what came after it, however many
are looking. A token names a turn of this process; one of another process has seen nothing.
"""

import secrets

import anyio
import anyio.to_thread

from oddaemon.web.painting import Painting, Piece
from oddaemon.web.pictures import FleetPicture, Pictures
from oddaemon.web.rendering import Renderer


class Board:
    """What everybody sees of the fleet. Used on one event loop; painting happens in a thread."""

    def __init__(self, pictures: Pictures, renderer: Renderer, settle_seconds: float) -> None:
        """Nothing is painted before somebody looks.

        Args:
            pictures: where to look.
            renderer: paints.
            settle_seconds: the fleet is looked at no more often than this; what changes in between is told together.
        """
        self._pictures = pictures
        self._renderer = renderer
        self._settle_seconds = settle_seconds
        self._boot = secrets.token_hex(4)
        self._painting = Painting()
        self._looked_at = 0.0
        self._looking = anyio.Lock()

    async def look(self) -> Painting:
        """The board, brought up to date unless that was done a moment ago."""
        async with self._looking:
            if not self._painting.turn or anyio.current_time() - self._looked_at >= self._settle_seconds:
                picture = await self._pictures.fleet()
                self._looked_at = anyio.current_time()
                if not self._painting.turn or picture != self._painting.picture:
                    self._painting = await anyio.to_thread.run_sync(painted, self._renderer, self._painting, picture)
        return self._painting

    def token(self, painting: Painting) -> str:
        """Names the turn of a painting."""
        return f"{self._boot}.{painting.turn}"

    def seen(self, token: str, painting: Painting) -> int | None:
        """The turn that a token names; None where its page must be read again as a whole."""
        boot, _, turn = token.partition(".")
        if boot != self._boot or not (turn.isascii() and turn.isdecimal()) or len(turn) > len(str(painting.turn)):
            return None
        return int(turn) if painting.rebuilt_turn <= int(turn) <= painting.turn else None


def painted(renderer: Renderer, before: Painting, picture: FleetPicture) -> Painting:
    """The next painting: only what changed is painted anew. Slow: run it in a thread."""
    turn = before.turn + 1
    pieces: dict[str, Piece] = {}
    piece_turns: dict[str, int] = {}
    line_turns: dict[str, int] = {}
    for line in picture.offices:
        kept = before.pieces.get(line.id)
        # Most lines are the very same object as before: comparing thousands of them takes no time.
        if kept is not None and (kept.line is line or kept.line == line):
            pieces[line.id], line_turns[line.id] = kept, before.line_turns[line.id]
        else:
            pieces[line.id], line_turns[line.id] = renderer.piece(line), turn
        is_alike = kept is not None and kept.looks_like(pieces[line.id])
        piece_turns[line.id] = before.piece_turns[line.id] if is_alike else turn
    parts = renderer.fleet_parts(picture)
    is_rebuilt = (
        not before.turn or picture.generation != before.picture.generation or pieces.keys() != before.pieces.keys()
    )
    return Painting(
        turn=turn,
        rebuilt_turn=turn if is_rebuilt else before.rebuilt_turn,
        picture=picture,
        parts=parts,
        pieces=pieces,
        part_turns={
            name: before.part_turns[name] if before.parts.get(name) == text else turn for name, text in parts.items()
        },
        piece_turns=piece_turns,
        line_turns=line_turns,
    )
