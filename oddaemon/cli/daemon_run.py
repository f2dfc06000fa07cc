"""`run`: the daemon in the foreground."""

from pathlib import Path

import anyio

from oddaemon.cli.configuration import checked, find
from oddaemon.cli.failing import failure, leaves
from oddaemon.engine.app import run_daemon
from oddaemon.settings import read
from oddaemon.store.errors import StoreError
from oddaemon.web.server import ListenError


def run_from(config: Path | None) -> None:
    """Run until told to stop; what only its user can mend ends it with a message."""
    settings, warnings = checked(read(find(config)))
    wrong: tuple[Exception, ...] = ()
    try:
        anyio.run(run_daemon, settings, [str(warning) for warning in warnings])
    except* (StoreError, ListenError) as group:
        wrong = leaves(group)
    if wrong:
        raise failure(" ".join(map(str, wrong)))
