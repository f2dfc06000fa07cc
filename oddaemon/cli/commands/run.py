"""`run`: the daemon in the foreground."""

from pathlib import Path

import anyio

from oddaemon.cli.output.exit import fail, flatten_errors
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.daemon.process import run_daemon
from oddaemon.http_server.server import ListenError
from oddaemon.settings import try_load
from oddaemon.store.errors import StoreError


def run_foreground(config: Path | None) -> None:
    """Run until told to stop; what only its user can mend ends it with a message."""
    settings, warnings = require_settings(try_load(find_config(config)))
    errors: tuple[Exception, ...] = ()
    try:
        anyio.run(run_daemon, settings, [str(warning) for warning in warnings])
    except* (StoreError, ListenError) as group:
        errors = flatten_errors(group)
    if errors:
        raise fail(" ".join(map(str, errors)))
