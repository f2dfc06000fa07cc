"""The database's file on the control socket: what takes a while is begun here, and whoever began it looks here."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.admin.commands import CommandRejected, Document
from oddaemon.http_server.unix_socket import get_uid

BAD_REQUEST = 400
_DAYS = re.compile("[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class DatabaseHandlers:
    """What can be asked of the file. The last number is the uid of whoever asks; each raises `CommandRejected`."""

    forget: Callable[[str, int | None], Awaitable[str]]
    """Remove everything of the office of this id; tells in a sentence what happens now, as the next two."""
    prune: Callable[[int | None, int | None], Awaitable[str]]
    """Forget what is older than so many days; None: than the configuration says."""
    vacuum: Callable[[int | None], Awaitable[str]]
    """Write the file anew."""
    get_status: Callable[[str, str], Awaitable[Document]]
    """What became of an order ("forget", "prune", "vacuum") about an office ("": about none)."""


def make_database_routes(handlers: DatabaseHandlers) -> Sequence[Route]:
    """`POST /offices/ID/forget`, `POST /state/prune?older_than_days=90`, `POST /state/vacuum`; `GET` tells of each.

    The latter answers `{"outcome": "in_progress"|"done", "result": {"outcome": SENTENCE, …}|null}`.
    """

    async def forget(request: Request) -> Response:
        office = request.path_params["office"]
        return JSONResponse({"office": office, "outcome": await handlers.forget(office, get_uid(request))})

    async def prune(request: Request) -> Response:
        days = _parse_days(request.query_params.get("older_than_days", ""))
        return JSONResponse({"outcome": await handlers.prune(days, get_uid(request))})

    async def vacuum(request: Request) -> Response:
        return JSONResponse({"outcome": await handlers.vacuum(get_uid(request))})

    def make_status_endpoint(command: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(await handlers.get_status(command, request.path_params.get("office", "")))

        return endpoint

    return (
        Route("/offices/{office:path}/forget", forget, methods=["POST"]),
        Route("/offices/{office:path}/forget", make_status_endpoint("forget")),
        Route("/state/prune", prune, methods=["POST"]),
        Route("/state/prune", make_status_endpoint("prune")),
        Route("/state/vacuum", vacuum, methods=["POST"]),
        Route("/state/vacuum", make_status_endpoint("vacuum")),
    )


def _parse_days(text: str) -> int | None:
    if not text:
        return None
    if not _DAYS.fullmatch(text):
        raise CommandRejected(
            BAD_REQUEST, "Days are wanted as a number from 1 on.", "See `oddaemon state prune --help`."
        )
    return int(text)
