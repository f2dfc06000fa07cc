"""What the simulator and the demo share."""

from typing import Annotated

import typer

DEFAULT_OFFICES = 25
"""The scenarios of the demo; further offices are ordinary ones."""
DEFAULT_SEED = 7
READY_LINE = "Ready."
"""The last line that the simulator writes at its start, for programs that wait for it."""

Seed = Annotated[int, typer.Option(help="The same seed gives the same simulation.")]
