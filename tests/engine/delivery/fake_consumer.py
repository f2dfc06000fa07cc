"""A consumer of deliveries: a book of balances that holds what it is sent, and moods in which it does so."""

import errno
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import Enum, auto
from pathlib import Path

import anyio

from oddaemon.core.delivery import Content, RetryPolicy
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.payload import Payload
from oddaemon.settings import SinkSettings
from oddaemon.settings.tables.sink import FilesSettings
from oddaemon.sinks.payload import DeliveryFailed, Sink
from tests.core.apply_changes import apply_changes


class SinkBehavior(Enum):
    """What happens to one attempt."""

    ACCEPTS = auto()
    REJECTS = auto()
    LOSES_ACK = auto()
    """It has it, and we never hear of it."""
    STALLS = auto()
    """It never answers."""
    IS_GONE = auto()
    """It wants no more."""
    CRASHES = auto()
    """Its library raises what no rule expects."""
    NO_FILES = auto()
    """This machine has no file descriptor left, and the sink says that the consumer cannot be reached."""
    DISK_FULL = auto()
    """The sink writes to a disk of this machine that is full, and names it."""


@dataclass
class ConsumerBook:
    """What a consumer holds: nothing of a delivery that it has had before changes anything."""

    balances: dict[str, dict[int, Balance]] = field(default_factory=dict)
    delivery_counts: Counter[str] = field(default_factory=Counter)
    accepted: list[Payload] = field(default_factory=list)

    def accept(self, payload: Payload, delivery_id: str) -> None:
        self.delivery_counts[delivery_id] += 1
        if self.delivery_counts[delivery_id] > 1:
            return
        self.accepted.append(payload)
        if payload.delta is None:
            self.balances[payload.office_id] = {balance.pat_num: balance for balance in payload.balances}
        else:
            self.balances[payload.office_id] = apply_changes(self.balances[payload.office_id], payload.delta.changes)

    def get_balances(self, office_id: str) -> list[Balance]:
        return list(self.balances.get(office_id, {}).values())

    def list_snapshot_ids(self, office_id: str = "smile") -> list[int]:
        """The ids of the snapshots that it was given, in their order."""
        return [payload.snapshot.id for payload in self.accepted if payload.office_id == office_id]


@dataclass
class ScriptedSink:
    """A sink whose consumer has moods: those that were planned, one for each attempt, then the last for ever."""

    book: ConsumerBook
    behaviors: deque[SinkBehavior] = field(default_factory=lambda: deque([SinkBehavior.ACCEPTS]))
    refusal: DeliveryFailed = field(default_factory=lambda: DeliveryFailed("The consumer is in a bad mood."))
    attempts: list[tuple[float, str]] = field(default_factory=list)
    """When something was tried, on the loop's clock, and what."""
    rejects: Callable[[Payload], bool] = lambda _: False
    closed: int = 0

    def plan(self, *behaviors: SinkBehavior) -> None:
        self.behaviors = deque(behaviors)

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        self.attempts.append((anyio.current_time(), delivery_id))
        behavior = self.behaviors.popleft() if len(self.behaviors) > 1 else self.behaviors[0]
        if self.rejects(payload):
            behavior = SinkBehavior.REJECTS
        await anyio.sleep(0.01)
        match behavior:
            case SinkBehavior.REJECTS:
                raise self.refusal
            case SinkBehavior.IS_GONE:
                raise DeliveryFailed("It is gone.", final=True)
            case SinkBehavior.STALLS:
                await anyio.sleep_forever()
            case SinkBehavior.NO_FILES:
                raise DeliveryFailed("It cannot be reached.") from OSError(errno.EMFILE, "Too many open files")
            case SinkBehavior.DISK_FULL:
                raise DeliveryFailed("Its disk is full.") from OSError(errno.ENOSPC, "No space left on device")
            case SinkBehavior.CRASHES:
                raise ZeroDivisionError
        self.book.accept(payload, delivery_id)
        await anyio.sleep(0.01)
        if behavior is SinkBehavior.LOSES_ACK:
            raise self.refusal

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class CrashingFactory:
    """Makes a sink; at first, the courier crashes over it: a programmer's error of ours."""

    sink: Sink
    crashes: int

    def __call__(self, settings: SinkSettings) -> Sink:
        if self.crashes > 0:
            self.crashes -= 1
            raise ZeroDivisionError(settings.name)
        return self.sink


def make_sink_settings(
    name: str = "book",
    content: Content = Content.SNAPSHOT,
    retry_policy: RetryPolicy | None = None,
    offices: Iterable[str] = (),
    **labels: str,
) -> SinkSettings:
    """Settings of a sink of no consequence: the factory looks at its name only."""
    return FilesSettings(
        name=name,
        kind="files",
        directory=Path("/nowhere"),
        content=content.value,
        offices=list(offices),
        labels=labels,
        **asdict(retry_policy or RetryPolicy()),
    )
