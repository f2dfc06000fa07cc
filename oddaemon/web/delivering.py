"""Sinks on the control socket: try again, and give up."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.web.unix_socket import uid_of

SinkOrder = Callable[[str, str | None, int | None], Awaitable[Mapping[str, Any]]]
"""About the sink of this name, and one of its offices if not all; the number is the uid of whoever asks."""


@dataclass(frozen=True, slots=True)
class SinkOrders:
    """What can be ordered about a sink. Each document holds an `outcome`, a sentence; each raises `OrderRefused`."""

    retry: SinkOrder
    """Try at once what waits, and what was given up."""
    skip: SinkOrder
    """Give up the first delivery of an office."""


def sink_routes(orders: SinkOrders) -> Sequence[Route]:
    """`POST /sinks/NAME/retry` and `POST /sinks/NAME/skip`, both with `?office=ID`; the first without it, too."""

    def about(order: SinkOrder) -> Callable[[Request], Awaitable[Response]]:
        async def obey(request: Request) -> Response:
            office = request.query_params.get("office") or None
            return JSONResponse(await order(request.path_params["sink"], office, uid_of(request)))

        return obey

    return (
        Route("/sinks/{sink}/retry", about(orders.retry), methods=["POST"]),
        Route("/sinks/{sink}/skip", about(orders.skip), methods=["POST"]),
    )
