"""A run leaves nothing behind in the process."""

import asyncio
import gc
from dataclasses import dataclass
from pathlib import Path

from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.simulation.event_log import EventLog

LEAKED = "left over"

_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class ProcessResources:
    """The resources of a process at one moment."""

    tasks: frozenset[str]
    descriptors: tuple[str, ...]
    calls_in_flight: int

    @classmethod
    def capture(cls) -> "ProcessResources":
        """The present resources; must be called on the event loop."""
        tasks = frozenset(task.get_name() for task in asyncio.all_tasks() if not task.done())
        return cls(tasks, tuple(sorted(_list_descriptors())), SqliteDatabase.calls_in_flight)


def check(before: ProcessResources, after: ProcessResources, leaked_tasks: list[str], event_log: EventLog) -> None:
    """Compare the resources after a run with those before.

    Args:
        before: as it was.
        after: as it is.
        outlived: tasks that outlived a daemon.
        event_log: takes the complaints.
    """
    if leaked_tasks:
        event_log.add_complaint(LEAKED, "", f"tasks outlived their daemon: {sorted(leaked_tasks)}")
    if more := after.tasks - before.tasks:
        event_log.add_complaint(LEAKED, "", f"tasks are left: {sorted(more)}")
    if len(after.descriptors) > len(before.descriptors):
        more_open = [each for each in after.descriptors if each not in before.descriptors]
        event_log.add_complaint(LEAKED, "", f"files or sockets are open: {more_open}")
    if after.calls_in_flight:
        event_log.add_complaint(LEAKED, "", f"{after.calls_in_flight} calls of the database are in flight")


def count_objects() -> int:
    """The number of objects in this process after a garbage collection."""
    gc.collect()
    return len(gc.get_objects())


def _list_descriptors() -> list[str]:
    found = []
    for link in _DESCRIPTORS.iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:  # the descriptor of this listing itself
            continue
    return found
