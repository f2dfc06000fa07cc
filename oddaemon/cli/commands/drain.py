"""`drain`: have the daemon finish and exit."""

import typer

from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.json_document import print_outcome
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.daemon_client import request_document, require_control_socket

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon drain"))
def drain(config: Config = None, as_json: AsJson = False) -> None:
    print_outcome(request_document(require_control_socket(find_config(config)), "/drain"), as_json=as_json)
