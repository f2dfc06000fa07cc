"""`simulator`: the simulated world as a process of its own."""

import signal
from dataclasses import dataclass
from pathlib import Path

import anyio
import typer

from oddaemon.cli.output.exit import fail, flatten_errors
from oddaemon.simulator.plan.daemon_config import write_config
from oddaemon.simulator.plan.default_fleet import make_fleet_plan
from oddaemon.simulator.plan.plan_file import SimulatorPlan, read_plan
from oddaemon.simulator.plan.plan_values import PlanError
from oddaemon.simulator.process import run_simulator

READY_LINE = "Ready."
"""The last line of what is said at the start: whoever waits for the simulator waits for it."""


QUICK_PACE = 0.05
"""The share of their usual time that runs of aging take where they come due at once."""


@dataclass(frozen=True, slots=True)
class SimulatorEndpoint:
    """Where the simulator listens, and where it leaves a configuration for a daemon."""

    listen: str
    config_dir: Path | None


def simulate(
    plan_file: Path | None, offices: int, seed: int, due_in_seconds: float | None, endpoint: SimulatorEndpoint
) -> None:
    """Serve until SIGTERM or Ctrl-C; a bad plan or address ends the command with a message."""
    errors: tuple[Exception, ...] = ()
    try:
        plan = _make_default_plan(offices, seed, due_in_seconds) if plan_file is None else read_plan(plan_file)
        anyio.run(_serve_until_signal, plan, endpoint)
    except* (PlanError, OSError, ValueError) as group:
        errors = flatten_errors(group)
    if errors:
        raise fail("; ".join(map(str, errors)))


def _make_default_plan(offices: int, seed: int, due_in_seconds: float | None) -> SimulatorPlan:
    if due_in_seconds is None:
        return make_fleet_plan(offices, seed)
    return make_fleet_plan(
        offices, seed, due_in_seconds=due_in_seconds, due_over_seconds=due_in_seconds, pace=QUICK_PACE
    )


async def _serve_until_signal(plan: SimulatorPlan, endpoint: SimulatorEndpoint) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                await run_simulator(
                    plan, endpoint.listen, on_ready=lambda base_url: _print_ready(plan, base_url, endpoint.config_dir)
                )

            tasks.start_soon(serve)
            async for _ in signals:
                tasks.cancel_scope.cancel()
                return


def _print_ready(plan: SimulatorPlan, base_url: str, config_dir: Path | None) -> None:
    offices = "1 office" if len(plan.offices) == 1 else f"{len(plan.offices)} offices"
    typer.echo(f"A simulated headquarters with {offices} answers at {base_url}")
    if config_dir is None:
        typer.echo("To ask it with a daemon, start it with --config-dir DIR: that writes a configuration.")
    else:
        typer.echo(f"To ask it: oddaemon run --config {write_config(plan, base_url, config_dir)}")
    typer.echo("Ctrl-C ends it.")
    typer.echo(READY_LINE)
