"""Which workers to stop and which to start, so that what runs is what is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """Stop first, start afterwards; what is in neither runs on untouched."""

    stop: tuple[str, ...]
    start: tuple[T, ...]


def reconcile(wanted: Mapping[str, T], running: Mapping[str, T]) -> Plan[T]:
    """Compare by equality: an office whose settings are the same is in neither part of the plan."""
    stop = tuple(key for key, settings in running.items() if wanted.get(key) != settings)
    start = tuple(settings for key, settings in wanted.items() if running.get(key) != settings)
    return Plan(stop, start)
