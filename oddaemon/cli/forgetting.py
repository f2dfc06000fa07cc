"""`office forget`: everything that is stored of an office, away for good, with the proof."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

import anyio
import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.errands import done_by_daemon
from oddaemon.cli.failing import failure
from oddaemon.settings import Settings
from oddaemon.store.archive import Archive, OfficeUnknown
from oddaemon.store.errors import DatabaseHeld, StoreError
from oddaemon.store.forgetting import Forgotten, forget, remove_alone
from oddaemon.store.location import database_path
from oddaemon.store.rotation import backups_of


def forget_office(config: Path | None, office_id: str, *, yes: bool) -> None:
    """Forget it, and print what went and the proof; whatever stands in the way ends the command with a message."""
    settings = settings_of(config)
    path = database_path(settings.state.database)

    async def removing(url: str, office: str) -> Mapping[str, int]:
        try:
            return await remove_alone(url, office)
        except DatabaseHeld as held:
            target = f"/offices/{quote(office, safe='', errors='replace')}/forget"
            rows: Mapping[str, int] = (await done_by_daemon(held, settings.source, target))["rows"]
            return rows

    for each in settings.offices:
        if each.office.id == office_id:
            raise failure(
                f"{office_id} stands in {each.source}. Take it out there first, and have the daemon reload; an office "
                "that is only switched off would be read again."
            )
    try:
        _require_known(path, office_id)
        if not yes:
            typer.confirm(f"Remove everything that is stored of {office_id}, for good?", abort=True)
        done = anyio.run(forget, settings.state.database, office_id, removing)
    except KeyboardInterrupt:
        raise failure("nobody waits for the proof any more; what the daemon has begun it goes on with") from None
    except StoreError as error:
        raise failure(str(error)) from error
    _tell(office_id, done, path)
    for line in _elsewhere(settings, path.resolve()):
        typer.echo(line)
    if done.found_after:
        raise failure(
            f"{done.found_after} traces are still there: another program has the database open. Close it, then run "
            "`oddaemon state vacuum`."
        )


def _require_known(path: Path, office_id: str) -> None:
    with Archive.open(path) as archive:
        ids = [office.id for office in archive.offices()]
    if office_id not in ids:
        near = get_close_matches(office_id.casefold(), ids, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise failure(f"{OfficeUnknown(office_id).what}{hint}")


def _tell(office_id: str, done: Forgotten, path: Path) -> None:
    rows = ", ".join(f"{count:,} of {table}" for table, count in sorted(done.rows.items()))
    typer.echo(f"{office_id} is forgotten. Rows removed: {rows}.")
    typer.echo(
        f"Looked for {done.looked_for:,} byte patterns of it in {path} and its log: "
        f"{done.found_before:,} were there before, {done.found_after:,} are there now."
    )


def _elsewhere(settings: Settings, path: Path) -> Iterator[str]:
    """Copies that this command leaves alone, because others made them or somebody may still need them."""
    kept = sorted(path.parent.glob(f"{path.name}.before-*"))
    directory = settings.maintenance.backup_directory
    if directory is not None and directory.is_dir():
        kept += sorted(backups_of(path, directory))
    if kept:
        yield "Copies from before still hold it; delete them, or let rotation do:"
        yield from (f"  {copy}" for copy in kept)
    yield "What was exported, delivered to sinks or backed up elsewhere is not touched."
