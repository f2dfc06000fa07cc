"""`office forget`: erase everything stored about an office, and verify the erasure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import anyio
import typer

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import fail_unknown_office, load_settings
from oddaemon.cli.sources.daemon_client import make_target
from oddaemon.cli.sources.database import INTERRUPTED, run_in_daemon, warn_of_lost_log
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import Settings
from oddaemon.store.errors import DatabaseLocked, StoreError
from oddaemon.store.opening import open_history
from oddaemon.store.sqlite.maintenance.erase import Erasure, erase_and_verify, erase_office_offline
from oddaemon.store.sqlite.maintenance.rotation import find_backups

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon office forget bright-smiles"))
def forget(
    office: Annotated[
        str,
        typer.Argument(
            metavar="OFFICE",
            help="The office's id.",
            show_default=False,
            autocompletion=completion.complete_removed_offices,
        ),
    ],
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """A running daemon does the work: while it rewrites the database it stores
    nothing else, and pulled balances wait. Without a daemon this command does it.
    """
    settings = load_settings(config)
    path = settings.state.path

    async def erase(url: str, office_id: str) -> Mapping[str, int]:
        try:
            return await erase_office_offline(url, office_id)
        except DatabaseLocked as locked:
            target = make_target("offices", office_id, "forget")
            rows: Mapping[str, int] = (await run_in_daemon(locked, settings.source, target))["rows"]
            return rows

    if (configured := settings.offices.get(office)) is not None:
        raise fail(
            f"{office} is still configured in {configured.source}. Remove it there and run `oddaemon reload` first; "
            "disabling it is not enough."
        )
    try:
        _require_known(path, office)
        if not yes:
            typer.confirm(f"Erase everything stored about {office}, for good?", abort=True)
        erasure = anyio.run(erase_and_verify, settings.state.database_url.reveal(), office, erase)
    except KeyboardInterrupt:
        raise fail(INTERRUPTED) from None
    except StoreError as error:
        raise fail(str(error)) from error
    _print_result(office, erasure, path)
    for line in _list_other_copies(settings, path.resolve()):
        typer.echo(line)
    if erasure.found_after:
        raise fail(
            f"{format_count(erasure.found_after, 'trace')} remain: another program has the database open. Close it, "
            "and run `oddaemon state vacuum`."
        )


def _require_known(path: Path, office_id: str) -> None:
    with open_history(str(path)) as reader:
        warn_of_lost_log(reader)
        ids = [each for each, *_ in reader.list_offices()]
    if office_id not in ids:
        raise fail_unknown_office(office_id, ids)


def _print_result(office_id: str, erasure: Erasure, path: Path) -> None:
    rows = ", ".join(f"{count:,} of {table}" for table, count in sorted(erasure.rows.items()))
    typer.echo(f"Erased {office_id}. Rows removed: {rows}.")
    if not erasure.pattern_count:
        typer.echo(
            f"Nothing of {office_id} was long enough to search for in {path}, so no search proves the erasure. The rows"
            " are deleted, and the file was written again without them."
        )
        return
    patterns = format_count(erasure.pattern_count, "byte pattern")
    typer.echo(
        f"Searched {path} and its log for {patterns}: {erasure.found_before:,} found before, {erasure.found_after:,} "
        "found now."
    )


def _list_other_copies(settings: Settings, path: Path) -> Iterator[str]:
    """Copies that this command does not touch."""
    copies = sorted(path.parent.glob(f"{path.name}.before-*"))
    directory = settings.maintenance.backup_directory
    if directory is not None and directory.is_dir():
        copies += sorted(find_backups(path, directory))
    if copies:
        yield "These copies still contain it. Delete them, or wait for the rotation of backups:"
        yield from (f"  {copy}" for copy in copies)
    yield "Exports, deliveries to sinks and backups elsewhere are not touched."
