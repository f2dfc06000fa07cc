"""One guarded task for each office."""

from collections.abc import Callable

import anyio.abc

from oddaemon.core.config_diff import needs_restart
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.tasks import CrashBudget, TaskEvents, TaskSupervisor
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import OfficeSettings
from oddaemon.telemetry.events import OfficeStarted, OfficeStopped, WorkerCrashed
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

OfficeSupervisor = TaskSupervisor[OfficeSettings]


def create_supervisor(
    tasks: anyio.abc.TaskGroup,
    registry: Registry,
    rate_limiter: RateLimiter,
    emit: Callable[[Event], None],
    budget: CrashBudget,
) -> OfficeSupervisor:
    """The supervisor of the registry's workers. An office whose worker crashes too often is quarantined.

    Args:
        tasks: The task group in which the workers run.
        registry: Makes and runs the workers.
        rate_limiter: Its closing ends every worker.
        emit: Takes the events.
        budget: How often each worker may be restarted.
    """
    events: TaskEvents[OfficeSettings] = TaskEvents(
        started=lambda office, _: OfficeStarted(office),
        stopped=lambda office, reason, _: OfficeStopped(office, reason),
        crashed=lambda office, error, left: WorkerCrashed(office, type(error).__name__, left, format_traceback(error)),
    )
    return OfficeSupervisor(
        tasks,
        "office",
        registry.run_worker,
        events=events,
        emit=emit,
        budget=budget,
        give_up=registry.quarantine,
        sleep=rate_limiter.sleep,
        needs_restart=needs_restart,
    )
