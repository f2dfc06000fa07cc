"""The night as it passes, for whoever watches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio

from oddaemon.core.status import OfficeStatus


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of the night."""

    seconds: float
    """Since the demo began."""
    now: datetime
    notes: Sequence[str] = ()
    """What has happened so far, oldest first; only ever grows."""
    statuses: Sequence[OfficeStatus] = ()
    settled: int = 0
    """How many offices stand as they must in the end."""


Show = Callable[[Scene], None]


class Narrator:
    """Keeps the present scene, and shows it whenever it changes."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._began = anyio.current_time()
        self._scene = Scene(0.0, datetime.now(UTC))

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return anyio.current_time() - self._began

    def note(self, text: str) -> None:
        """Something has happened."""
        self._turn(replace(self._scene, notes=(*self._scene.notes, text)))

    def fleet(self, statuses: Sequence[OfficeStatus], settled: int) -> None:
        """How the offices stand now."""
        self._turn(replace(self._scene, statuses=statuses, settled=settled))

    def _turn(self, scene: Scene) -> None:
        self._scene = replace(scene, seconds=self.seconds, now=datetime.now(UTC))
        self._show(self._scene)
