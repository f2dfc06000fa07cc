"""Past days on the control socket: they are ordered here, and whoever ordered one sees how far it is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    """What can be asked about past days. Each document holds an `outcome`, a sentence."""

    order: Callable[[PastDay, int | None], Awaitable[Mapping[str, Any]]]
    """Read one; the number is the uid of whoever asks. Raises `OrderRefused`."""
    orders: Callable[[], Awaitable[Mapping[str, Any]]]
    """How every order stands."""


def backfill_routes(days: PastDays) -> Sequence[Route]:
    """`POST /offices/ID/backfill?as_of=yyyy-mm-dd&via=report|sftp&query=SQL` and `GET /backfills`."""

    async def order(request: Request) -> Response:
        asked = request.query_params
        try:
            as_of, via = date.fromisoformat(asked.get("as_of", "")), Via(asked.get("via", Via.REPORT))
        except ValueError:
            advice = "See `oddaemon backfill --help`."
            raise OrderRefused(BAD_REQUEST, "A day is wanted as yyyy-mm-dd.", advice) from None
        day = PastDay(request.path_params["office"], as_of, via, asked.get("query", ""))
        return JSONResponse(await days.order(day, uid_of(request)))

    async def orders(_request: Request) -> Response:
        return JSONResponse(await days.orders())

    return (
        Route("/offices/{office:path}/backfill", order, methods=["POST"]),
        Route("/backfills", orders),
    )
