"""`sink retry|skip`: through the running daemon, or in the database under its lock if no daemon runs."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from oddaemon.admin import offline_commands
from oddaemon.admin.commands import CommandRejected
from oddaemon.cli.args import completion
from oddaemon.cli.args.options import AsJson, Config, OfficeId
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.json_document import print_outcome
from oddaemon.cli.sources.config_file import find_config, load_settings
from oddaemon.cli.sources.daemon_client import DaemonNotRunning, make_target, request, require_control_socket
from oddaemon.store.errors import DatabaseMissing, StoreError
from oddaemon.store.opening import open_database, open_for_reading

SinkName = Annotated[
    str,
    typer.Argument(
        metavar="SINK", help="The sink's name.", show_default=False, autocompletion=completion.complete_sinks
    ),
]

app = typer.Typer()


@app.command(
    epilog=format_examples("oddaemon sink retry warehouse", "oddaemon sink retry ledger --office bright-smiles")
)
def retry(
    name: SinkName,
    office: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only this office's deliveries.", autocompletion=completion.complete_offices),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    _send_command("retry", config, name, office, as_json=as_json)


@app.command(epilog=format_examples("oddaemon sink skip ledger bright-smiles"))
def skip(name: SinkName, office: OfficeId, config: Config = None, as_json: AsJson = False) -> None:
    _send_command("skip", config, name, office, as_json=as_json)


def _send_command(command: str, config: Path | None, name: str, office: str | None, *, as_json: bool) -> None:
    config_path = find_config(config)
    target = make_target("sinks", name, command, **({"office": office} if office else {}))
    try:
        response = request(require_control_socket(config_path), "POST", target)
    except DaemonNotRunning:
        document = _run_without_daemon(config_path, command, name, office)
    else:
        if response.status != HTTPStatus.OK:
            raise fail(response.error_message)
        document = response.document
    print_outcome(document, as_json=as_json)


def _run_without_daemon(config: Path, command: str, name: str, office: str | None) -> dict[str, Any]:
    settings = load_settings(config)
    url = settings.state.database_url.reveal()
    perform = offline_commands.retry_deliveries if command == "retry" else offline_commands.skip_delivery

    async def run_command() -> dict[str, Any]:
        # A command creates and migrates nothing.
        async with open_for_reading(url):
            pass
        async with open_database(url) as database:
            return dict(await perform(database, name, office, datetime.now(UTC)))

    try:
        offline_commands.require_sink(name, [each.name for each in settings.sinks])
        document = anyio.run(run_command)
    except DatabaseMissing:
        raise fail(f"{settings.state.where} does not exist, so nothing is pending; start the daemon first") from None
    except CommandRejected as rejection:
        raise fail(f"{rejection.sentence} {rejection.advice}".strip()) from None
    except StoreError as error:
        raise fail(str(error)) from error
    # On a server daemons of other hosts may be at work. The change is one transaction on the rows of the outbox, which
    # the sink's courier reads before each delivery, wherever it runs.
    when = (
        "The fleet obeys within seconds." if settings.state.is_postgresql else "It takes effect when the daemon starts."
    )
    return {**document, "outcome": f"{document['outcome']} {when}"}
