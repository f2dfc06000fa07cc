"""A simulated headquarters in a thread of its own, on a real port, with a configuration that asks it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import anyio.abc
from anyio.from_thread import start_blocking_portal

from oddaemon.simulator.api.messages import API_PREFIX
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.plan.daemon_config import write_config
from oddaemon.simulator.plan.plan_file import SimulatorPlan, parse_plan
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.process import build_headquarters
from oddaemon.simulator.transport.server import serve

ZONE = "America/Los_Angeles"
QUICK = {"base_seconds": 0.0, "query_seconds": 0.0, "report_seconds": 0.0}


def make_office(office_id: str, **overrides: Any) -> dict[str, Any]:
    """A small practice in which all is well, and which may be asked without a pause."""
    aged = datetime.now(ZoneInfo(ZONE)).date()
    table = {"id": office_id, "zone": ZONE, "guarantors": 40, "settled": 10, "last_aging": aged, "spacing_seconds": 0.0}
    return {**table, **overrides}


def make_fault(kind: str, *office_ids: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "offices": list(office_ids), **more}


@contextmanager
def simulated_headquarters(
    directory: Path, offices: Sequence[dict[str, Any]], faults: Sequence[dict[str, Any]] = (), **options: Any
) -> Iterator[Path]:
    """Where the configuration stands while headquarters answers."""
    with observed_headquarters(directory, offices, faults, **options) as (config, _):
        yield config


@contextmanager
def observed_headquarters(
    directory: Path, offices: Sequence[dict[str, Any]], faults: Sequence[dict[str, Any]] = (), **options: Any
) -> Iterator[tuple[Path, Headquarters]]:
    """The same, with what is asked there."""
    plan = parse_plan({"seed": 7, "headquarters": QUICK | options, "office": list(offices), "fault": list(faults)})
    with start_blocking_portal() as portal:
        serving, (site, port) = portal.start_task(_serve, plan)
        try:
            yield write_config(plan, f"http://127.0.0.1:{port}{API_PREFIX}", directory), site
        finally:
            serving.cancel()


async def _serve(plan: SimulatorPlan, *, task_status: anyio.abc.TaskStatus[tuple[Headquarters, int]]) -> None:
    clock = WorldClock(datetime.now(UTC))
    practices = [Practice(office.spec, clock) for office in plan.offices]
    site = build_headquarters(plan, clock, practices)
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.run)
        port: int = await tasks.start(serve, site)
        task_status.started((site, port))
