"""Routes of the pages: the fleet, each office, the runbook, the static files and the event streams."""

import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.resources import files

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oddaemon.http_server.security_headers import FILE_HEADERS, PAGE_HEADERS
from oddaemon.web.pages.event_stream import StreamOptions, StreamRegistry
from oddaemon.web.pages.fleet_feed import FleetFeed
from oddaemon.web.pages.rendered import Parts, RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import OfficeView, PageViewSource

COMPRESSION_LEVEL = 5
RENDERERS_MAX = 2
"""Threads that render pages: a scrape always finds one of its own."""
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A static file, as it is sent."""

    body: bytes = field(repr=False)
    media_type: str
    digest: str
    """Part of its address, so a browser may cache it for ever."""


def load_static_files() -> Mapping[str, StaticFile]:
    """All static files by name, read once: no request reads a file."""
    found = {}
    for each in files("oddaemon.web").joinpath("static").iterdir():
        media_type = _TYPES.get(each.name.rpartition(".")[2])
        if media_type is not None:
            body = each.read_bytes()
            found[each.name] = StaticFile(body, media_type, hashlib.sha256(body).hexdigest()[:12])
    return found


class Pages:
    """The pages and their routes.

    Args:
        source: Builds the views.
        redact: Removes secrets from a text.
        now: The wall clock.
        stream_options: How live the pages are; None: the defaults.
    """

    def __init__(
        self,
        source: PageViewSource,
        redact: Callable[[str], str],
        now: Callable[[], datetime],
        stream_options: StreamOptions | None = None,
    ) -> None:
        self._source = source
        self._now = now
        self._files = load_static_files()
        self._renderers = anyio.CapacityLimiter(RENDERERS_MAX)
        self._renderer = Renderer(redact, self._get_static_url)
        stream_options = stream_options or StreamOptions()
        self._feed = FleetFeed(source, self._renderer, stream_options.settle_seconds)
        self._streams = StreamRegistry(self._feed, stream_options, self._render_office)

    def make_routes(self) -> list[Route]:
        """All routes."""
        return [
            Route("/", self.get_fleet),
            Route("/offices/{office}", self.get_office),
            Route("/runbook", self.get_runbook),
            Route("/live", self._streams.stream_fleet),
            Route("/live/offices/{office}", self._streams.stream_office),
            Route("/static/{name}", self.get_file),
        ]

    async def get_fleet(self, request: Request) -> Response:
        """The fleet, filtered by the search."""
        rendered = await self._feed.refresh()
        search = Search.from_query(request.query_params.multi_items())
        token = self._feed.make_token(rendered)
        return await self._respond(
            request, 200, partial(self._renderer.render_fleet_page, rendered, search, token, self._now())
        )

    async def get_office(self, request: Request) -> Response:
        """One office, or a page that says that it is not configured."""
        rendered = await self._feed.refresh()
        found = await self._render_office(request.path_params["office"], rendered)
        if found is None:
            headline, sentence = "No such office", "No office with this id is configured."
            return await self._respond(
                request, 404, partial(self._renderer.render_problem_page, headline, sentence, self._now())
            )
        token = self._feed.make_token(rendered)
        return await self._respond(request, 200, partial(self._renderer.render_office_page, *found, token, self._now()))

    async def get_runbook(self, request: Request) -> Response:
        """The runbook, which the alerts link to."""
        return await self._respond(request, 200, partial(self._renderer.render_runbook_page, self._now()))

    async def get_file(self, request: Request) -> Response:
        """A static file."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "No such file.")
        return Response(found.body, media_type=found.media_type, headers=FILE_HEADERS)

    async def _render_office(self, office_id: str, rendered: RenderedFleet) -> tuple[OfficeView, Parts] | None:
        office = await self._source.build_office(office_id)
        if office is None:
            return None
        reason = rendered.view.not_ready_reason
        return office, await anyio.to_thread.run_sync(
            self._renderer.render_office_parts, office, reason, limiter=self._renderers
        )

    async def _respond(self, request: Request, status: int, render: Callable[[], str]) -> Response:
        compressed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {**PAGE_HEADERS, "content-encoding": "gzip"} if compressed else PAGE_HEADERS
        body = await anyio.to_thread.run_sync(_render_body, render, compressed, limiter=self._renderers)
        return Response(body, status, headers, media_type="text/html")

    def _get_static_url(self, name: str) -> str:
        return f"/static/{name}?{self._files[name].digest}"


def _render_body(render: Callable[[], str], compressed: bool) -> bytes:
    body = render().encode()
    return gzip.compress(body, COMPRESSION_LEVEL) if compressed else body
