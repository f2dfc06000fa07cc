"""What happens to the API that all offices share. See `Event` for what a field may hold."""

from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.event import Event, Level
from oddaemon.telemetry.instruments import Instruments


@dataclass(frozen=True, slots=True)
class HeadquartersDown(Event):
    """Several offices in a row met silence: from now on one request at a time finds out when it ends."""

    name: ClassVar[str] = "headquarters_down"
    level: ClassVar[Level] = Level.ERROR
    address: str
    """The host of the API."""

    def move(self, instruments: Instruments) -> None:
        """One more."""
        instruments.headquarters_down.inc()


@dataclass(frozen=True, slots=True)
class HeadquartersBack(Event):
    """Headquarters answer again, `seconds` after they were taken for down."""

    name: ClassVar[str] = "headquarters_back"
    address: str
    seconds: float

    def move(self, instruments: Instruments) -> None:
        """One less."""
        instruments.headquarters_down.dec()


@dataclass(frozen=True, slots=True)
class HeadquartersLeft(Event):
    """No office asks headquarters that were down any more, `seconds` later: nobody will hear when they are back."""

    name: ClassVar[str] = "headquarters_left"
    address: str
    seconds: float

    def move(self, instruments: Instruments) -> None:
        """One less."""
        instruments.headquarters_down.dec()
