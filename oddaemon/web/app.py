"""The routes of the HTTP listener: metrics, health, the fleet as JSON, and its pages.

All of it is read-only and free of patient data. Documents are built on the event loop and rendered in a thread, because
rendering thousands of offices takes long.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from oddaemon.core.reporting.status_document import StatusDocument, hide_small_sums
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.http_server.responses import respond_metrics, respond_redacted_json
from oddaemon.http_server.security_headers import SecurityHeadersMiddleware
from oddaemon.telemetry.metrics.office import OfficeStatusSource
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.pages.routes import RENDERERS_MAX, Pages


def create_app(
    *,
    telemetry: Telemetry,
    office_metrics: OfficeStatusSource,
    readiness: Callable[[], Readiness],
    status: Callable[[], StatusDocument],
    pages: Pages,
) -> ASGIApp:
    """The application for `serve`.

    Args:
        telemetry: Renders the metrics, and redacts the JSON, which quotes other systems' messages.
        office_metrics: The metrics of each office.
        readiness: For `/-/ready`.
        status: The document of `/api/status`; `/api/offices/ID` is one element of its `offices`.
        pages: The HTML pages.
    """
    endpoints = _Endpoints(telemetry, office_metrics, readiness, status)
    app = Starlette(
        routes=[
            *pages.make_routes(),
            Route("/metrics", endpoints.get_metrics),
            Route("/-/healthy", _get_healthy),
            Route("/-/ready", endpoints.get_ready),
            Route("/api/status", endpoints.get_status),
            Route("/api/offices/{office}", endpoints.get_office),
        ],
        exception_handlers={HTTPException: _handle_http_error},
    )
    app.router.redirect_slashes = False
    return SecurityHeadersMiddleware(app)


@dataclass(frozen=True, slots=True)
class _Endpoints:
    _telemetry: Telemetry
    _office_metrics: OfficeStatusSource
    _get_readiness: Callable[[], Readiness]
    _build_status: Callable[[], StatusDocument]
    _renderers: anyio.CapacityLimiter = field(default_factory=partial(anyio.CapacityLimiter, RENDERERS_MAX))

    async def get_metrics(self, request: Request) -> Response:
        return await respond_metrics(request, self._telemetry, self._office_metrics)

    async def get_ready(self, _request: Request) -> Response:
        """200, or 503 with the reason."""
        readiness = self._get_readiness()
        if readiness.ready:
            return PlainTextResponse("Ready.\n")
        return PlainTextResponse(f"Not ready: {self._telemetry.redact(readiness.reason)}\n", status_code=503)

    async def get_status(self, _request: Request) -> Response:
        """The whole fleet."""
        document = self._build_status()
        shown = {**document, "offices": [hide_small_sums(office) for office in document["offices"]]}
        return await respond_redacted_json(self._telemetry, shown, self._renderers)

    async def get_office(self, request: Request) -> Response:
        """One office, or 404."""
        wanted = request.path_params["office"]
        document = self._build_status()
        office = next((office for office in document["offices"] if office["id"] == wanted), None)
        if office is None:
            raise HTTPException(404, "No office with this id is configured; /api/status lists all offices.")
        return await respond_redacted_json(self._telemetry, hide_small_sums(office), self._renderers)


async def _get_healthy(_request: Request) -> Response:
    return PlainTextResponse("Healthy.\n")


async def _handle_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", status_code=error.status_code, headers=error.headers)
