"""The pages: the fleet at a glance, one for each office, the runbook, what they are made with, and their streams."""

import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.resources import files

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oddaemon.web.board import Board
from oddaemon.web.headers import FILE_HEADERS, PAGE_HEADERS
from oddaemon.web.live import Liveliness, Streams
from oddaemon.web.painting import Painting, Parts
from oddaemon.web.pictures import Pictures
from oddaemon.web.rendering import Renderer
from oddaemon.web.search import Search

COMPRESSION_LEVEL = 5
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that the pages need, as it is sent."""

    body: bytes = field(repr=False)
    media_type: str
    mark: str
    """Changes with what is in it, so a browser may keep it for ever."""


def static_files() -> Mapping[str, StaticFile]:
    """All of them by name, read once: no request ever reads a file."""
    found = {}
    for each in files("oddaemon.web").joinpath("static").iterdir():
        media_type = _TYPES.get(each.name.rpartition(".")[2])
        if media_type is not None:
            body = each.read_bytes()
            found[each.name] = StaticFile(body, media_type, hashlib.sha256(body).hexdigest()[:12])
    return found


class Pages:
    """The routes of the pages."""

    def __init__(
        self,
        pictures: Pictures,
        redact: Callable[[str], str],
        now: Callable[[], datetime],
        liveliness: Liveliness | None = None,
    ) -> None:
        """Load the templates and the files beside them.

        Args:
            pictures: what the pages show.
            redact: what may be shown of a text.
            now: the wall clock.
            liveliness: how live they are; None: the usual.
        """
        self._pictures = pictures
        self._now = now
        self._files = static_files()
        self._renderer = Renderer(redact, self._address)
        liveliness = liveliness or Liveliness()
        self._board = Board(pictures, self._renderer, liveliness.settle_seconds)
        self._streams = Streams(self._board, liveliness, self._parts)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/", self.fleet),
            Route("/offices/{office}", self.office),
            Route("/runbook", self.runbook),
            Route("/live", self._streams.fleet),
            Route("/live/offices/{office}", self._streams.office),
            Route("/static/{name}", self.file),
        ]

    async def fleet(self, request: Request) -> Response:
        """The fleet at a glance, as far as it is searched for."""
        painting = await self._board.look()
        search = Search.parsed(request.query_params.multi_items())
        token = self._board.token(painting)
        return await self._page(request, 200, partial(self._renderer.fleet_page, painting, search, token, self._now()))

    async def office(self, request: Request) -> Response:
        """One office in full, or a page that says that there is none."""
        painting = await self._board.look()
        picture = await self._pictures.office(request.path_params["office"])
        if picture is None:
            headline, sentence = "No such office", "No office of this id is configured."
            return await self._page(request, 404, partial(self._renderer.problem_page, headline, sentence, self._now()))
        parts = await anyio.to_thread.run_sync(self._renderer.office_parts, picture, painting.picture.trouble)
        token = self._board.token(painting)
        return await self._page(request, 200, partial(self._renderer.office_page, picture, parts, token, self._now()))

    async def runbook(self, request: Request) -> Response:
        """Where the alerts' links lead."""
        return await self._page(request, 200, partial(self._renderer.runbook_page, self._now()))

    async def file(self, request: Request) -> Response:
        """What the pages are made with."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "No such file.")
        return Response(found.body, media_type=found.media_type, headers=FILE_HEADERS)

    async def _parts(self, office: str, painting: Painting) -> Parts | None:
        picture = await self._pictures.office(office)
        if picture is None:
            return None
        return await anyio.to_thread.run_sync(self._renderer.office_parts, picture, painting.picture.trouble)

    async def _page(self, request: Request, status: int, render: Callable[[], str]) -> Response:
        compressed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {**PAGE_HEADERS, "content-encoding": "gzip"} if compressed else PAGE_HEADERS
        body = await anyio.to_thread.run_sync(_encoded, render, compressed)
        return Response(body, status, headers, media_type="text/html")

    def _address(self, name: str) -> str:
        return f"/static/{name}?{self._files[name].mark}"


def _encoded(render: Callable[[], str], compressed: bool) -> bytes:
    body = render().encode()
    return gzip.compress(body, COMPRESSION_LEVEL) if compressed else body
