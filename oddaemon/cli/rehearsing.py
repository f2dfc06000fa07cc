"""The commands that need no real office: a simulated headquarters, and a whole night against it."""

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import REHEARSAL_PANEL, format_examples
from oddaemon.cli.output.exit import require_simulator

DEFAULT_OFFICES = 25
"""The cast of the demo; more are ordinary offices."""
DEFAULT_SEED = 7

Seed = Annotated[int, typer.Option(help="The same seed gives the same world.")]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.command(
        rich_help_panel=REHEARSAL_PANEL,
        epilog=format_examples(
            "oddaemon simulator --due-in 30 --config-dir rehearsal", "oddaemon simulator --plan world.toml"
        ),
    )(simulator)
    app.command(rich_help_panel=REHEARSAL_PANEL, epilog=format_examples("oddaemon demo", "oddaemon demo --keep night"))(
        demo
    )


def simulator(
    *,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A world as TOML or JSON; without it, a believable one.")
    ] = None,
    offices: Annotated[int | None, typer.Option(min=1, help="How many believable offices; 25 by default.")] = None,
    seed: Seed = DEFAULT_SEED,
    due_in: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="Let aging come due so long after the start, and pass quickly; else at each office's time of night.",
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen: on loopback only; port 0 is any free one.")
    ] = "127.0.0.1:0",
    config_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a configuration here with which a daemon asks this simulator."),
    ] = None,
) -> None:
    """Be Open Dental's headquarters and its offices, until Ctrl-C."""
    if plan is not None and (offices, due_in) != (None, None):
        raise typer.BadParameter("goes with neither --offices nor --due-in: the file says both.", param_hint="--plan")
    require_simulator("oddaemon simulator")
    from oddaemon.cli.commands.simulator import SimulatorEndpoint, simulate

    simulate(plan, offices or DEFAULT_OFFICES, seed, due_in, SimulatorEndpoint(listen, config_dir))


def demo(
    offices: Annotated[
        int, typer.Option(min=DEFAULT_OFFICES, help="The cast of 25 and as many ordinary offices more.")
    ] = DEFAULT_OFFICES,
    seed: Seed = DEFAULT_SEED,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Work in this directory, and keep everything in it.")
    ] = None,
) -> None:
    """Live through one night of simulated offices, with a crash in the middle, and prove every snapshot to the cent."""
    require_simulator("oddaemon demo")
    from oddaemon.cli.demo.run import run_demo

    run_demo(offices, seed, keep)
