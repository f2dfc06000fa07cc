"""`demo`: one simulated night, verified."""

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import DEFAULT_OFFICES, DEFAULT_SEED, Seed
from oddaemon.cli.demo.run import run_demo
from oddaemon.cli.lazy_command import format_examples

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon demo", "oddaemon demo --keep night"))
def demo(
    offices: Annotated[
        int, typer.Option(min=DEFAULT_OFFICES, help="The 25 scenarios, and ordinary offices up to this number.")
    ] = DEFAULT_OFFICES,
    seed: Seed = DEFAULT_SEED,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Work in this new directory, and keep everything in it.")
    ] = None,
) -> None:
    run_demo(offices, seed, keep)
