"""The routes of the HTTP listener: metrics, health, the fleet as JSON, and its pages.

Nothing here changes anything, and nothing shows more of a patient than a count. Pictures of the fleet are taken on the
event loop; turning them into text happens in a thread, because with thousands of offices it takes long.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from oddaemon.core.status import OfficeDocument, StatusDocument
from oddaemon.telemetry.fleet import FleetView
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.headers import CarefulHeaders
from oddaemon.web.pages import Pages


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the configuration is applied and the store open; if not, a sentence that says what is missing."""

    ready: bool
    reason: str = ""


def create_app(
    *,
    telemetry: Telemetry,
    fleet: FleetView,
    readiness: Callable[[], Readiness],
    status: Callable[[], Awaitable[StatusDocument]],
    pages: Pages,
) -> ASGIApp:
    """The application that `serve` serves.

    Args:
        telemetry: renders the metrics, and redacts what the JSON quotes of other sides' messages.
        fleet: the figures of every office.
        readiness: what `/-/ready` answers.
        status: the document of `/api/status`; `/api/offices/ID` is the one element of its `offices`.
        pages: the pages for people.
    """
    views = _Views(telemetry, fleet, readiness, status)
    app = Starlette(
        routes=[
            *pages.routes(),
            Route("/metrics", views.metrics),
            Route("/-/healthy", _healthy),
            Route("/-/ready", views.ready),
            Route("/api/status", views.status),
            Route("/api/offices/{office}", views.office),
        ],
        exception_handlers={HTTPException: _refusal},
    )
    app.router.redirect_slashes = False
    return CarefulHeaders(app)


@dataclass(frozen=True, slots=True)
class _Views:
    """The routes that look at something."""

    _telemetry: Telemetry
    _fleet: FleetView
    _readiness: Callable[[], Readiness]
    _status: Callable[[], Awaitable[StatusDocument]]

    async def metrics(self, request: Request) -> Response:
        """Prometheus text, or OpenMetrics for who asks for it."""
        accept = request.headers.get("accept", "")
        scrape = await anyio.to_thread.run_sync(self._telemetry.render, self._fleet(), accept)
        return Response(scrape.body, headers={"content-type": scrape.content_type})

    async def ready(self, _request: Request) -> Response:
        """200, or 503 with the sentence."""
        readiness = self._readiness()
        if readiness.ready:
            return PlainTextResponse("Ready.\n")
        return PlainTextResponse(f"Not ready: {self._telemetry.redact(readiness.reason)}\n", status_code=503)

    async def status(self, _request: Request) -> Response:
        """The whole fleet."""
        return await self._json(await self._status())

    async def office(self, request: Request) -> Response:
        """One office, or 404."""
        wanted = request.path_params["office"]
        document = await self._status()
        office = next((office for office in document["offices"] if office["id"] == wanted), None)
        if office is None:
            raise HTTPException(404, "No office of this id is configured; /api/status lists them all.")
        return await self._json(office)

    async def _json(self, document: StatusDocument | OfficeDocument) -> Response:
        body = await anyio.to_thread.run_sync(self._body, document)
        return Response(body, media_type="application/json")

    def _body(self, document: StatusDocument | OfficeDocument) -> str:
        return self._telemetry.redact(json.dumps(document, ensure_ascii=False)) + "\n"


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("Healthy.\n")


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", status_code=error.status_code, headers=error.headers)
