"""`run`: the daemon in the foreground."""

# ruff: noqa: PLC0415 - what takes long to import is imported after SIGHUP is ignored

import signal

import typer

from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon run", "oddaemon run --config /etc/oddaemon/oddaemon.toml"))
def run(config: Config = None) -> None:
    # Importing the daemon takes long enough for a SIGHUP to arrive, which would end the process. Ignoring it loses
    # nothing: the configuration is read after this.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    import anyio

    from oddaemon.cli.output.exit import fail, flatten_errors
    from oddaemon.cli.sources.config_file import find_config, require_settings
    from oddaemon.core.failures.origin import EXHAUSTED
    from oddaemon.daemon.process import run_daemon
    from oddaemon.http_client.host_errors import find_host_failure
    from oddaemon.http_server.server import ListenError
    from oddaemon.settings import OfficeFileCache, try_load
    from oddaemon.store.errors import StoreError

    cache = OfficeFileCache()
    settings, warnings = require_settings(try_load(find_config(config), cache=cache))
    errors: tuple[Exception, ...] = ()
    failure = None
    try:
        try:
            anyio.run(run_daemon, settings, [str(warning) for warning in warnings], cache)
        except* (StoreError, ListenError) as group:
            errors = flatten_errors(group)
    except Exception as error:  # whatever is opened during the start may find no descriptor or memory left
        failure = find_host_failure(error)
        if failure is None or failure.kind not in EXHAUSTED:
            raise
    if failure is not None:
        raise fail(f"The daemon ended because {failure.sentence}. {failure.kind.advice}")
    if errors:
        raise fail(" ".join(map(str, errors)))
