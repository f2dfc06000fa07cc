"""Past days on the control socket: they are ordered here, and whoever ordered one sees how far it is."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.core.backfill import PastDay, Via
from oddaemon.web.control import OrderRefused
from oddaemon.web.unix_socket import uid_of

BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class PastDays:
    """What can be asked about past days, each answered with a document that holds an `outcome`, a sentence.

    The number is the uid of whoever asks.
    """

    order: Callable[[Sequence[PastDay], int | None], Awaitable[Mapping[str, Any]]]
    """Read an office as of these days: all, or none and `OrderRefused`."""
    cancel: Callable[[str, Collection[date], int | None], Awaitable[Mapping[str, Any]]]
    """End the open orders of an office, or those for these days. Raises `OrderRefused`."""
    orders: Callable[[], Awaitable[Mapping[str, Any]]]
    """How every order stands."""


def backfill_routes(days: PastDays) -> Sequence[Route]:
    """`POST` and `DELETE /offices/ID/backfill`, `GET /backfills`.

    `POST` takes `?as_of=yyyy-mm-dd`, once or more often, `&via=report|sftp&query=SQL`; `DELETE` takes the
    days alone, or none for all.
    """

    async def order(request: Request) -> Response:
        asked, office = request.query_params, request.path_params["office"]
        with _understood():
            wanted, via = _days(request), Via(asked.get("via", Via.REPORT))
            if not wanted:
                raise ValueError
        orders = [PastDay(office, as_of, via, asked.get("query", "")) for as_of in wanted]
        return JSONResponse(await days.order(orders, uid_of(request)))

    async def cancel(request: Request) -> Response:
        with _understood():
            wanted = _days(request)
        return JSONResponse(await days.cancel(request.path_params["office"], wanted, uid_of(request)))

    async def orders(_request: Request) -> Response:
        return JSONResponse(await days.orders())

    return (
        Route("/offices/{office:path}/backfill", order, methods=["POST"]),
        Route("/offices/{office:path}/backfill", cancel, methods=["DELETE"]),
        Route("/backfills", orders),
    )


def _days(request: Request) -> list[date]:
    """Each once, in the order given."""
    return [date.fromisoformat(text) for text in dict.fromkeys(request.query_params.getlist("as_of"))]


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except ValueError:
        advice = "See `oddaemon backfill --help`."
        raise OrderRefused(BAD_REQUEST, "A day is wanted as yyyy-mm-dd.", advice) from None
