"""`simulator`: the simulated world as a process of its own."""

import signal
from dataclasses import dataclass
from pathlib import Path

import anyio
import typer

from oddaemon.cli.failing import failure, leaves
from oddaemon.simulator.config_files import write_config
from oddaemon.simulator.fleet import fleet_plan
from oddaemon.simulator.plan_values import PlanError
from oddaemon.simulator.planfile import Plan, read_plan
from oddaemon.simulator.process import run_simulator

READY = "Ready."
"""The last line of what is said at the start: whoever waits for the simulator waits for it."""


QUICK_PACE = 0.05
"""The share of their usual time that runs of aging take where they come due at once."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the simulator listens, and where it leaves a configuration for a daemon."""

    listen: str
    config_dir: Path | None


def simulate(plan_file: Path | None, offices: int, seed: int, due_in_seconds: float | None, site: Site) -> None:
    """Serve until SIGTERM or Ctrl-C; a bad plan or address ends the command with a message."""
    wrong: tuple[Exception, ...] = ()
    try:
        plan = _believable(offices, seed, due_in_seconds) if plan_file is None else read_plan(plan_file)
        anyio.run(_serve, plan, site)
    except* (PlanError, OSError, ValueError) as group:
        wrong = leaves(group)
    if wrong:
        raise failure("; ".join(map(str, wrong)))


def _believable(offices: int, seed: int, due_in_seconds: float | None) -> Plan:
    if due_in_seconds is None:
        return fleet_plan(offices, seed)
    return fleet_plan(offices, seed, due_in_seconds=due_in_seconds, due_over_seconds=due_in_seconds, pace=QUICK_PACE)


async def _serve(plan: Plan, site: Site) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                await run_simulator(plan, site.listen, ready=lambda base_url: _tell(plan, base_url, site.config_dir))

            tasks.start_soon(serve)
            async for _ in signals:
                tasks.cancel_scope.cancel()
                return


def _tell(plan: Plan, base_url: str, config_dir: Path | None) -> None:
    offices = "1 office" if len(plan.offices) == 1 else f"{len(plan.offices)} offices"
    typer.echo(f"A simulated headquarters with {offices} answers at {base_url}")
    if config_dir is None:
        typer.echo("To ask it with a daemon, start it with --config-dir DIR: that writes a configuration.")
    else:
        typer.echo(f"To ask it: oddaemon run --config {write_config(plan, base_url, config_dir)}")
    typer.echo("Ctrl-C ends it.")
    typer.echo(READY)
