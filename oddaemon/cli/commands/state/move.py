"""`state move`: the database to a PostgreSQL server, or back to a file; every row is compared afterwards."""

import stat
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticCustomError

from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import Settings
from oddaemon.settings.values.database_url import is_database_path
from oddaemon.settings.values.invalid import get_texts
from oddaemon.settings.values.path import is_private, read_file
from oddaemon.settings.values.sink_secrets import check_dsn
from oddaemon.store.errors import StoreError
from oddaemon.store.move.move import MoveResult, move_database

_URL_BYTES_MAX = 4096

app = typer.Typer()


@app.command(
    epilog=format_examples(
        "oddaemon state move --to-file /etc/oddaemon/keys/database.url",
        "oddaemon state move --to /var/lib/oddaemon/oddaemon.db",
    )
)
def move(
    config: Config = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DATABASE",
            help="Where to: a file that does not exist, or postgresql://… of an empty database.",
            show_default=False,
        ),
    ] = None,
    to_file: Annotated[
        Path | None,
        typer.Option(
            "--to-file",
            metavar="FILE",
            help="A file (mode 600) that holds the URL: other users see the arguments of a command.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Stop every daemon first. Nothing changes in the present database, and no
    daemon starts on the new one until all rows are copied and compared. If the
    command is interrupted, run it again.
    """
    settings = load_settings(config)
    target = _choose_target(to, to_file)
    try:
        with progress_bar("moving") as progress:
            result = move_database(settings.state.database_url.reveal(), target, progress)
    except KeyboardInterrupt:
        raise fail("interrupted; nothing has changed here, and the new database is unfinished") from None
    except StoreError as error:
        raise fail(str(error)) from error
    if as_json:
        print_json(_make_document(result))
        return
    for line in _format_result(result, settings, to_file):
        typer.echo(line)


def _choose_target(to: str | None, to_file: Path | None) -> str:
    """The URL or the path of the one option that was given; a problem with it ends the command."""
    if (to is None) == (to_file is None):
        raise typer.BadParameter("give one of --to and --to-file.", param_hint="--to")
    target = to if to_file is None else _read_url(to_file)
    assert target is not None, "one of them was given"
    if not is_database_path(target):
        try:
            check_dsn(target)
        except PydanticCustomError as error:
            message, hint = get_texts(error)
            raise fail(f"the new database: {message}{f'; {hint}' if hint else ''}") from None
    elif not target or "?" in target or ":memory:" in target:
        raise typer.BadParameter("is no path of a file.", param_hint="--to")
    return target


def _read_url(path: Path) -> str:
    try:
        content, status = read_file(path, _URL_BYTES_MAX)
    except OSError as error:
        raise fail(f"{path} cannot be read: {error.strerror}") from error
    if not is_private(status):
        raise fail(f"other users may read {path} (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600 {path}")
    return content.decode("utf-8", "replace").strip()


def _format_result(result: MoveResult, settings: Settings, to_file: Path | None) -> Iterator[str]:
    rows = sum(table.rows for table in result.tables.values())
    yield (
        f"Moved {result.source} to {result.target}: {format_count(rows, 'row')} of {len(result.tables)} tables, "
        f"{format_count(result.verification.offices, 'office')}, "
        f"{format_count(result.verification.snapshots, 'snapshot')}. Both hold the same, and every total is right."
    )
    yield f"Now write this into {settings.source}, and start the daemon:"
    yield "  [state]"
    if to_file is not None:
        yield f'  database_url_file = "{to_file.absolute()}"'
    elif is_database_path(result.target):
        yield f'  database = "{result.target}"'
    else:
        yield '  database_url_file = "FILE"    # FILE (mode 600) holds the URL of --to'
    yield f"Keep {result.source} until the daemon has worked for a night. Then delete it: it holds patient data."


def _make_document(result: MoveResult) -> dict[str, object]:
    return {
        "source": result.source,
        "target": result.target,
        "offices": result.verification.offices,
        "snapshots": result.verification.snapshots,
        "tables": {name: asdict(table) for name, table in result.tables.items()},
    }
