"""`office forget`: everything that is stored of an office, away for good, with the proof."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

import anyio
import typer

from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.daemon_client import run_in_daemon
from oddaemon.settings import Settings
from oddaemon.store.errors import DatabaseLocked, OfficeUnknown, StoreError
from oddaemon.store.sqlite.history_reader import HistoryReader
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.erase import Erasure, erase_and_verify, erase_office_offline
from oddaemon.store.sqlite.maintenance.rotation import find_backups


def forget_office(config: Path | None, office_id: str, *, yes: bool) -> None:
    """Forget it, and print what went and the proof; whatever stands in the way ends the command with a message."""
    settings = load_settings(config)
    path = parse_database_path(settings.state.database)

    async def remove(url: str, office: str) -> Mapping[str, int]:
        try:
            return await erase_office_offline(url, office)
        except DatabaseLocked as locked:
            target = f"/offices/{quote(office, safe='', errors='replace')}/forget"
            rows: Mapping[str, int] = (await run_in_daemon(locked, settings.source, target))["rows"]
            return rows

    for each in settings.offices:
        if each.office.id == office_id:
            raise fail(
                f"{office_id} stands in {each.source}. Take it out there first, and have the daemon reload; an office "
                "that is only switched off would be read again."
            )
    try:
        _require_known(path, office_id)
        if not yes:
            typer.confirm(f"Remove everything that is stored of {office_id}, for good?", abort=True)
        erasure = anyio.run(erase_and_verify, settings.state.database, office_id, remove)
    except KeyboardInterrupt:
        raise fail("nobody waits for the proof any more; what the daemon has begun it goes on with") from None
    except StoreError as error:
        raise fail(str(error)) from error
    _print_result(office_id, erasure, path)
    for line in _list_other_copies(settings, path.resolve()):
        typer.echo(line)
    if erasure.found_after:
        raise fail(
            f"{erasure.found_after} traces are still there: another program has the database open. Close it, then run "
            "`oddaemon state vacuum`."
        )


def _require_known(path: Path, office_id: str) -> None:
    with HistoryReader.open(path) as reader:
        ids = [office.id for office in reader.list_offices()]
    if office_id not in ids:
        nearest = get_close_matches(office_id.casefold(), ids, cutoff=0.5)
        hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
        raise fail(f"{OfficeUnknown(office_id).what}{hint}")


def _print_result(office_id: str, erasure: Erasure, path: Path) -> None:
    rows = ", ".join(f"{count:,} of {table}" for table, count in sorted(erasure.rows.items()))
    typer.echo(f"{office_id} is forgotten. Rows removed: {rows}.")
    typer.echo(
        f"Looked for {erasure.pattern_count:,} byte patterns of it in {path} and its log: "
        f"{erasure.found_before:,} were there before, {erasure.found_after:,} are there now."
    )


def _list_other_copies(settings: Settings, path: Path) -> Iterator[str]:
    """Copies that this command leaves alone, because others made them or somebody may still need them."""
    copies = sorted(path.parent.glob(f"{path.name}.before-*"))
    directory = settings.maintenance.backup_directory
    if directory is not None and directory.is_dir():
        copies += sorted(find_backups(path, directory))
    if copies:
        yield "Copies from before still hold it; delete them, or let rotation do:"
        yield from (f"  {copy}" for copy in copies)
    yield "What was exported, delivered to sinks or backed up elsewhere is not touched."
