"""Orders about sinks: carried out in the outbox, by the daemon, or by a command where there is none.

Sinks on the control socket: try again, and give up.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.office_commands import CONFLICT, NOT_FOUND, CommandService
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.http_server.unix_socket import get_uid
from oddaemon.settings.values.suggestions import suggest_name
from oddaemon.store import outbox
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import DeliverySkipped
from oddaemon.telemetry.events.base import Event

SinkHandler = Callable[[str, str | None, int | None], Awaitable[Mapping[str, Any]]]
"""About the sink of this name, and one of its offices if not all; the number is the uid of whoever asks."""


@dataclass(frozen=True, slots=True)
class SinkHandlers:
    """What can be ordered about a sink. Each document holds an `outcome`, a sentence; each raises `CommandRejected`."""

    retry: SinkHandler
    """Try at once what waits, and what was given up."""
    skip: SinkHandler
    """Give up the first delivery of an office."""


def make_sink_routes(handlers: SinkHandlers) -> Sequence[Route]:
    """`POST /sinks/NAME/retry` and `POST /sinks/NAME/skip`, both with `?office=ID`; the first without it, too."""

    def make_endpoint(handler: SinkHandler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            office = request.query_params.get("office") or None
            return JSONResponse(await handler(request.path_params["sink"], office, get_uid(request)))

        return endpoint

    return (
        Route("/sinks/{sink}/retry", make_endpoint(handlers.retry), methods=["POST"]),
        Route("/sinks/{sink}/skip", make_endpoint(handlers.skip), methods=["POST"]),
    )


Document = Mapping[str, Any]


def require_sink(sink: str, names: Iterable[str]) -> None:
    """See that a sink is configured.

    Raises:
        OrderRefused: it is not.
    """
    known = list(names)
    if sink not in known:
        advice = suggest_name(sink, known).capitalize() or "`oddaemon sink status` lists them all."
        raise CommandRejected(NOT_FOUND, f"No sink {sink!r} is configured.", advice)


async def retry(database: Database, sink: str, office: str | None, now: datetime) -> Document:
    """Make due at once what waits for a sink, and what was given up if nothing newer took its place.

    Raises:
        OrderRefused: there is nothing of the kind.
        StoreError: the database cannot be written.
    """
    due = await outbox.retry(database, sink, office, now)
    target = f"{sink} for {office}" if office else sink
    if not due:
        raise CommandRejected(CONFLICT, f"Nothing waits for {target}.", "`oddaemon sink status` shows how it stands.")
    outcome = f"{due:,} {'delivery is' if due == 1 else 'deliveries are'} due now to {target}."
    return {"sink": sink, "office": office, "due": due, "outcome": outcome}


async def skip(
    database: Database, sink: str, office: str | None, now: datetime, emit: Callable[[Event], None] | None = None
) -> Document:
    """Give up the first delivery of an office to a sink.

    Raises:
        OrderRefused: nothing is due, or no office is named.
        StoreError: the database cannot be written.
    """
    if office is None:
        raise CommandRejected(CONFLICT, "One office's delivery is skipped at a time.", "Name the office.")
    skipped = await outbox.skip_first(database, sink, office, now)
    if skipped is None:
        advice = "`oddaemon sink status` shows what waits."
        raise CommandRejected(CONFLICT, f"Nothing waits for {sink} for {office}.", advice)
    if emit is not None:
        emit(DeliverySkipped(sink, office, skipped.delivery_id, skipped.snapshot_id, outbox.SKIPPED_BY_COMMAND))
    outcome = f"Snapshot {skipped.snapshot_id} of {office} is not delivered to {sink}; the next one goes there whole."
    return {"sink": sink, "office": office, "delivery_id": skipped.delivery_id, "outcome": outcome}


@dataclass(frozen=True, slots=True)
class SinkCommands:
    """Takes the orders of one daemon."""

    commands: CommandService
    couriers: CourierPool
    database: Database
    now: Callable[[], datetime]
    emit: Callable[[Event], None]

    @property
    def handlers(self) -> SinkHandlers:
        """All that can be ordered."""
        return SinkHandlers(self.retry, self.skip)

    async def retry(self, sink: str, office: str | None, uid: int | None) -> Document:
        """As the function of this name; the sink's courier looks at once."""
        with self._log_command("sink retry", sink, office, uid) as reply:
            result = await retry(self.database, sink, office, self.now())
            self.couriers.notify((sink,))
            reply(result["outcome"])
            return result

    async def skip(self, sink: str, office: str | None, uid: int | None) -> Document:
        """As the function of this name; the sink's courier looks at once."""
        with self._log_command("sink skip", sink, office, uid) as reply:
            result = await skip(self.database, sink, office, self.now(), self.emit)
            self.couriers.notify((sink,))
            reply(result["outcome"])
            return result

    @contextmanager
    def _log_command(
        self, command: str, sink: str, office: str | None, uid: int | None
    ) -> Iterator[Callable[[str], str]]:
        with self.commands.log_command(command, office or "", uid) as reply:
            require_sink(sink, self.couriers.names)
            try:
                yield reply
            except StoreError as error:
                raise CommandRejected(CONFLICT, error.what, error.advice) from None
