"""What one daemon does for the whole fleet: each role runs while its lease is held, and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
import anyio.abc

from oddaemon.core.fleet.lease import LeaseKind, Role
from oddaemon.engine.fleet.holder import LeaseHolder
from oddaemon.engine.tasks import BackgroundTasks
from oddaemon.telemetry.events.base import Event

StartRole = Callable[[BackgroundTasks], None]
"""Starts the tasks of a role."""


@dataclass(slots=True)
class _RunningRole:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class RoleRunner:
    """Runs the roles of one daemon.

    Args:
        tasks: The task group in which they run.
        holder: Says which are this daemon's.
        works: How each begins.
        emit: Takes the events.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        holder: LeaseHolder,
        works: Mapping[Role, StartRole],
        emit: Callable[[Event], None],
    ) -> None:
        self._tasks = tasks
        self._holder = holder
        self._works = works
        self._emit = emit
        self._running: dict[Role, _RunningRole] = {}

    def is_idle(self, name: str) -> bool:  # noqa: ARG002 - as the protocol has it
        """Always: a role is done in short transactions."""
        return True

    async def follow_leases(self) -> None:
        """Run the roles that are held, and no others."""
        for role, work in self._works.items():
            is_held, running = self._holder.holds(LeaseKind.ROLE, role), self._running.get(role)
            if is_held and running is None:
                self._running[role] = _RunningRole()
                self._tasks.start_soon(self._run, role, work, name=f"role {role}")
            elif not is_held and running is not None:
                running.scope.cancel()
                await running.ended.wait()

    async def _run(self, role: Role, work: StartRole) -> None:
        running = self._running[role]
        try:
            with running.scope:
                async with anyio.create_task_group() as tasks:
                    work(BackgroundTasks(tasks, self._emit))
        finally:
            del self._running[role]
            running.ended.set()
