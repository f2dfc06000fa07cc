"""`simulator`: simulated headquarters and offices, as a process of its own."""

import signal
from pathlib import Path
from typing import Annotated

import anyio
import typer

from oddaemon.cli.args.options import DEFAULT_OFFICES, DEFAULT_SEED, READY_LINE, Seed
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail, flatten_errors
from oddaemon.core.reporting.formatting import format_count
from oddaemon.simulator.plan.daemon_config import write_config
from oddaemon.simulator.plan.fleet_builder import make_fleet_plan
from oddaemon.simulator.plan.plan_file import SimulatorPlan, read_plan
from oddaemon.simulator.plan.plan_values import PlanError
from oddaemon.simulator.process import run_simulator

QUICK_PACE = 0.05
"""With --due-in, runs of aging take this share of their usual time."""

app = typer.Typer()


@app.command(
    epilog=format_examples(
        "oddaemon simulator --due-in 30 --config-dir rehearsal", "oddaemon simulator --plan world.toml"
    )
)
def simulator(
    *,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The simulated offices as TOML or JSON (default: a realistic fleet)."),
    ] = None,
    offices: Annotated[
        int | None, typer.Option(min=1, help="How many offices the realistic fleet has (default: 25).")
    ] = None,
    seed: Seed = DEFAULT_SEED,
    due_in: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="Make aging due this long after the start, and quick; some offices fail "
            "(default: last night's aging is complete everywhere, and the next is due at each office's own time).",
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Loopback address to listen on; port 0 means any free port.")
    ] = "127.0.0.1:0",
    config_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a daemon's configuration for this simulator to DIR."),
    ] = None,
) -> None:
    if plan is not None and (offices, due_in) != (None, None):
        message = "already sets the offices and their times; omit --offices and --due-in."
        raise typer.BadParameter(message, param_hint="--plan")
    errors: tuple[Exception, ...] = ()
    try:
        fleet = read_plan(plan) if plan is not None else _make_default_plan(offices or DEFAULT_OFFICES, seed, due_in)
        anyio.run(_serve_until_signal, fleet, listen, config_dir)
    except* (PlanError, OSError, ValueError) as group:
        errors = flatten_errors(group)
    if errors:
        raise fail("; ".join(map(str, errors)))


def _make_default_plan(offices: int, seed: int, due_in_seconds: float | None) -> SimulatorPlan:
    if due_in_seconds is None:
        return make_fleet_plan(offices, seed, with_failures=False, has_aged_last_night=True)
    return make_fleet_plan(
        offices, seed, due_in_seconds=due_in_seconds, due_over_seconds=due_in_seconds, pace=QUICK_PACE
    )


async def _serve_until_signal(plan: SimulatorPlan, listen: str, config_dir: Path | None) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                await run_simulator(plan, listen, on_ready=lambda base_url: _print_ready(plan, base_url, config_dir))

            tasks.start_soon(serve)
            async for _ in signals:
                tasks.cancel_scope.cancel()
                return


def _print_ready(plan: SimulatorPlan, base_url: str, config_dir: Path | None) -> None:
    typer.echo(f"Simulated headquarters with {format_count(len(plan.offices), 'office')} listens on {base_url}")
    if config_dir is None:
        typer.echo("To run a daemon against it, start it with --config-dir DIR, which writes a configuration.")
    else:
        typer.echo(f"To run a daemon against it: oddaemon run --config {write_config(plan, base_url, config_dir)}")
    typer.echo("Ctrl-C stops it.")
    typer.echo(READY_LINE)
