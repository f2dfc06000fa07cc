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
from oddaemon.cli.sources.database import (
    INTERRUPTED,
    Document,
    read_database,
    run_in_lock_owner,
    run_on_database,
    warn_of_lost_log,
)
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import Settings
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseLocked, StoreError
from oddaemon.store.offices import list_hosts_with_office
from oddaemon.store.opening import get_upkeep, open_history
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
    if (configured := settings.offices.get(office)) is not None:
        raise fail(
            f"{office} is still configured in {configured.source}. Remove it there and run `oddaemon reload` first; "
            "disabling it is not enough."
        )
    try:
        _require_known(settings, office)
        if not yes:
            typer.confirm(f"Erase everything stored about {office}, for good?", abort=True)
        if settings.state.is_postgresql:
            _forget_on_server(settings, office)
        else:
            _forget_in_file(settings, office)
    except KeyboardInterrupt:
        raise fail(INTERRUPTED) from None
    except StoreError as error:
        raise fail(str(error)) from error


def _forget_in_file(settings: Settings, office: str) -> None:
    """Erase the rows and their bytes, and search for the bytes."""
    path = settings.state.path

    async def erase(url: str, office_id: str) -> Mapping[str, int]:
        try:
            return await erase_office_offline(url, office_id)
        except DatabaseLocked as locked:
            target = make_target("offices", office_id, "forget")
            rows: Mapping[str, int] = (await run_in_lock_owner(locked, settings.source, target))["rows"]
            return rows

    erasure = anyio.run(erase_and_verify, settings.state.database_url.reveal(), office, erase)
    _print_result(office, erasure, path)
    for line in _list_other_copies(settings, path.resolve()):
        typer.echo(line)
    if erasure.found_after:
        raise fail(
            f"{format_count(erasure.found_after, 'trace')} remain: another program has the database open. Close it, "
            "and run `oddaemon state vacuum`."
        )


def _forget_on_server(settings: Settings, office: str) -> None:
    """Erase the rows. What else holds their bytes is out of reach, and is said.

    No lock shows the daemons of other hosts. While none of them has the office in its configuration, none writes about
    it; one that adds it at this moment finds a new office.
    """
    if hosts := read_database(settings, lambda db: list_hosts_with_office(db, office)):
        raise fail(
            f"{office} is still configured on {', '.join(hosts)}. Remove it there, and run `oddaemon reload` there."
        )

    async def erase(database: Database) -> Document:
        return {"rows": await get_upkeep(database).erase_office(office)}

    rows = run_on_database(settings, erase, make_target("offices", office, "forget"))["rows"]
    typer.echo(f"Erased {office} from {settings.state.where}. Rows removed: {_format_rows(rows)}.")
    typer.echo(
        "The rows are gone, and their space is used again. Their bytes remain in the server's write-ahead log, on "
        "standbys and in backups until those are recycled or deleted, which oddaemon cannot see: ask the server's "
        "administrator when that is."
    )
    typer.echo("Exports and deliveries to sinks are not touched.")


def _require_known(settings: Settings, office_id: str) -> None:
    with open_history(settings.state.database_url.reveal()) as reader:
        warn_of_lost_log(reader)
        ids = [each for each, *_ in reader.list_offices()]
    if office_id not in ids:
        raise fail_unknown_office(office_id, ids)


def _format_rows(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {table}" for table, count in sorted(rows.items()))


def _print_result(office_id: str, erasure: Erasure, path: Path) -> None:
    typer.echo(f"Erased {office_id}. Rows removed: {_format_rows(erasure.rows)}.")
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
