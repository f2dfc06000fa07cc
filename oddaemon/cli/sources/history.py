"""The stored days of an office: snapshots and backfilled days, read beside the daemon."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.database import read_database, warn_of_lost_log
from oddaemon.cli.sources.fleet import require_office
from oddaemon.core.model import PublishedSnapshot
from oddaemon.core.reporting.formatting import format_instant, format_money
from oddaemon.core.reporting.status_document import make_snapshot_document
from oddaemon.settings import Settings
from oddaemon.store import opening
from oddaemon.store.backfilled_days import BackfilledDay
from oddaemon.store.errors import OfficeUnknown, StoreError
from oddaemon.store.history.day import HistoryDay, get_source
from oddaemon.store.history.reader import HistoryReader


@contextmanager
def open_history(config: Path | None) -> Iterator[tuple[HistoryReader, Settings]]:
    """The database of a configuration, for reading. A problem with either ends the command."""
    settings = load_settings(config)
    try:
        with opening.open_history(settings.state.database_url.reveal()) as reader:
            warn_of_lost_log(reader)
            yield reader, settings
    except StoreError as error:
        raise fail(str(error)) from error


def require_office_days(reader: HistoryReader, settings: Settings, office_id: str) -> list[HistoryDay]:
    """The days of an office in order, at least one; without any the command ends.

    An office that is no longer configured can be read as long as its data is kept.
    """
    with suppress(OfficeUnknown):
        if days := reader.list_days(office_id):
            return days
    _, row = read_database(settings, lambda db: require_office(db, settings, office_id))
    reason = "" if row.state is None else f" {row.state.standing.reason}"
    raise fail(f"{office_id} has no published snapshot yet.{reason} See `oddaemon explain {office_id}`.")


def require_order(days: Sequence[HistoryDay], first: HistoryDay, last: HistoryDay) -> None:
    """End the command unless the first day comes before the last."""
    if days.index(first) < days.index(last):
        return
    if isinstance(first, PublishedSnapshot) and isinstance(last, PublishedSnapshot):
        problem = f"snapshot {first.id} of {first.aging_date} was not published before {last.id} of {last.aging_date}"
    else:
        problem = f"{first.aging_date} is not before {last.aging_date}"
    raise fail(f"{problem}; --from must be the earlier one")


def make_day_document(day: HistoryDay) -> dict[str, object]:
    """A day as JSON, shaped as a snapshot. A backfilled day has no id: it is not in the sequence of snapshots."""
    if isinstance(day, BackfilledDay):
        return {
            "id": None,
            "aging_date": day.aging_date.isoformat(),
            "published_at": format_instant(day.published_at),
            "guarantors": day.totals.guarantors,
            "bal_total": format_money(day.totals.bal_total),
            "verified": True,
            "via": day.via.value,
            "source": get_source(day).value,
        }
    return {**make_snapshot_document(day), "source": get_source(day).value}
