"""Which days of an office a command means, and how their pictures are told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.failing import failure
from oddaemon.cli.fleet import known_office, read_with
from oddaemon.core.status import instant, money, snapshot_document
from oddaemon.engine.fleet import published_snapshot
from oddaemon.settings import Settings
from oddaemon.store.archive import Archive, ArchivedOffice
from oddaemon.store.errors import StoreError
from oddaemon.store.location import database_path
from oddaemon.store.past_day import PastDay
from oddaemon.store.picture import Picture, chosen, source_of
from oddaemon.store.snapshot_row import SnapshotRow


@contextmanager
def archive_of(config: Path | None) -> Iterator[tuple[Archive, Settings]]:
    """The database of a configuration, for reading; what is wrong with either ends the command with a message."""
    settings = settings_of(config)
    try:
        with Archive.open(database_path(settings.state.database)) as archive:
            yield archive, settings
    except StoreError as error:
        raise failure(str(error)) from error


def office_in(archive: Archive, settings: Settings, office_id: str) -> tuple[ArchivedOffice, list[Picture]]:
    """An office and its pictures in order, at least one; else the command ends with what to do.

    One that is no longer configured can be read as long as its data is kept.
    """
    for office in archive.offices():
        if office.id == office_id and (pictures := archive.pictures(office)):
            return office, pictures
    known = read_with(settings, lambda db: known_office(db, settings, office_id))
    reason = "" if known.state is None else f" {known.state.standing.reason}"
    raise failure(f"{office_id} has no published snapshot yet.{reason} See `oddaemon explain {office_id}`.")


Range = tuple[date | int | None, date | int | None]
"""What `--from` and `--to` say."""


def between(pictures: Sequence[Picture], wanted: Range, office_id: str) -> tuple[Picture | None, Picture]:
    """The two pictures that somebody means; the first is None if none was named.

    Raises:
        SnapshotMissing: there is none of that day or id.
    """
    first, last = wanted
    return None if first is None else chosen(pictures, first, office_id), chosen(pictures, last, office_id)


def require_order(pictures: Sequence[Picture], first: Picture, last: Picture) -> None:
    """End the command with a message unless the first comes before the last."""
    if pictures.index(first) < pictures.index(last):
        return
    if isinstance(first, SnapshotRow) and isinstance(last, SnapshotRow):
        order = f"snapshot {first.id} of {first.aging_date} was not published before {last.id} of {last.aging_date}"
    else:
        order = f"{first.aging_date} is not before {last.aging_date}"
    raise failure(f"{order}; --from is the earlier one.")


def picture_document(picture: Picture) -> dict[str, object]:
    """A picture as a snapshot is told. A day that was read afterwards has no place among these, so no id."""
    if isinstance(picture, PastDay):
        return {
            "id": None,
            "aging_date": picture.aging_date.isoformat(),
            "published_at": instant(picture.published_at),
            "guarantors": picture.totals.guarantors,
            "bal_total": money(picture.totals.bal_total),
            "verified": True,
            "via": picture.via.value,
            "source": source_of(picture).value,
        }
    return {**snapshot_document(published_snapshot(picture)), "source": source_of(picture).value}
