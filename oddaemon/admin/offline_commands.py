"""Commands that need nothing but the database: the daemon runs them, or the command line where no daemon runs."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from oddaemon.admin.commands import CommandRejected, Document, RejectionKind
from oddaemon.core.suggestions import suggest_name
from oddaemon.store import outbox, retention
from oddaemon.store.database import Database
from oddaemon.store.opening import get_upkeep
from oddaemon.telemetry.events import DeliverySkipped
from oddaemon.telemetry.events.base import Event


async def prune(database: Database, days: int, now: datetime) -> Document:
    """Delete what is older than `days` days.

    Raises:
        StoreError: As `retention.prune`.
    """
    pruned = await retention.prune(database, now - timedelta(days=days))
    await get_upkeep(database).reclaim_pruned()
    outcome = (
        f"Deleted what was older than {days} days: {pruned.snapshots:,} snapshots, "
        f"{pruned.versions:,} versions of balances, {pruned.backfilled_days:,} past days, "
        f"{pruned.journal_entries:,} journal entries."
    )
    return {"outcome": outcome}


async def vacuum_database(database: Database) -> Document:
    """Give back the space of deleted rows.

    Raises:
        StoreError: As `Upkeep.vacuum`.
    """
    return {"outcome": await get_upkeep(database).vacuum()}


def require_sink(sink: str, names: Iterable[str]) -> None:
    """Check that a sink is configured.

    Raises:
        CommandRejected: It is not.
    """
    known = list(names)
    if sink not in known:
        advice = suggest_name(sink, known).capitalize() or "`oddaemon sink status` lists all sinks."
        raise CommandRejected(RejectionKind.NOT_FOUND, f"No sink {sink!r} is configured.", advice)


async def retry_deliveries(database: Database, sink: str, office: str | None, now: datetime) -> Document:
    """Make the waiting deliveries of a sink due now, and the dead ones that no later delivery has replaced.

    Raises:
        CommandRejected: There are none.
        StoreError: The database cannot be written.
    """
    due = await outbox.retry(database, sink, office, now)
    target = f"{sink} for {office}" if office else sink
    if not due:
        advice = "`oddaemon sink status` shows its deliveries."
        raise CommandRejected(RejectionKind.CONFLICT, f"No delivery waits for {target}.", advice)
    outcome = f"{due:,} {'delivery is' if due == 1 else 'deliveries are'} due now to {target}."
    return {"sink": sink, "office": office, "due": due, "outcome": outcome}


async def skip_delivery(
    database: Database, sink: str, office: str | None, now: datetime, emit: Callable[[Event], None] | None = None
) -> Document:
    """Give up the first waiting delivery of an office to a sink.

    Raises:
        CommandRejected: None is due, or no office is named.
        StoreError: The database cannot be written.
    """
    if office is None:
        raise CommandRejected(RejectionKind.CONFLICT, "`skip` needs an office: it skips one delivery.", "Name it.")
    skipped = await outbox.skip_first(database, sink, office, now)
    if skipped is None:
        advice = "`oddaemon sink status` shows what waits."
        raise CommandRejected(RejectionKind.CONFLICT, f"No delivery waits for {sink} for {office}.", advice)
    if emit is not None:
        emit(DeliverySkipped(sink, office, skipped.delivery_id, skipped.snapshot_id, outbox.SKIPPED_BY_COMMAND))
    outcome = (
        f"Skipped snapshot {skipped.snapshot_id} of {office} for {sink}. The next delivery carries the whole snapshot."
    )
    return {"sink": sink, "office": office, "delivery_id": skipped.delivery_id, "outcome": outcome}
