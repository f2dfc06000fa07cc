"""Examinations on the control socket: one is begun here, and whoever began it looks here until it is done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.web.unix_socket import uid_of


@dataclass(frozen=True, slots=True)
class Examinations:
    """What can be asked about an office's health. Both raise `OrderRefused`."""

    begin: Callable[[str, int | None], Awaitable[str]]
    """Examine the office of this id; the number is the uid of whoever asks. Tells in a sentence what happens now."""
    told: Callable[[str], Awaitable[Mapping[str, Any]]]
    """How far that has come, or what it found."""


def examination_routes(examinations: Examinations) -> Sequence[Route]:
    """`POST /offices/ID/examine` and `GET /offices/ID/examination`.

    The latter answers `{"outcome": "under way"|"done", "asked": 3, "of": 14, "examination": {…}|null}`.
    """

    async def begin(request: Request) -> Response:
        office = request.path_params["office"]
        return JSONResponse({"office": office, "outcome": await examinations.begin(office, uid_of(request))})

    async def told(request: Request) -> Response:
        return JSONResponse(await examinations.told(request.path_params["office"]))

    return (
        Route("/offices/{office:path}/examine", begin, methods=["POST"]),
        Route("/offices/{office:path}/examination", told),
    )
