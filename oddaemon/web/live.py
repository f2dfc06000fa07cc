"""The streams through which an open page hears what has changed: server-sent events, few and small.

A stream ends when its reader goes, or when the listener is told to stop. It tells three things: `change` (the parts
of the page that are others now), `stale` (offices came or went, or this is another process: read the page again), and
now and then a comment, by which a reader that is gone is noticed.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from oddaemon.web.board import Board
from oddaemon.web.painting import Painting, Parts, Piece

RETRY_SECONDS = 3
"""After that long a browser whose stream has ended asks again."""


@dataclass(frozen=True, slots=True)
class Liveliness:
    """How live the pages are."""

    settle_seconds: float = 1.0
    """What changes within it is told together."""
    heartbeat_seconds: float = 15.0
    """After that long without news a comment is sent."""
    streams_max: int = 16
    """At one instant; whoever comes later has a page that does not move."""


@dataclass(slots=True)
class Occupancy:
    """How many streams there are, and may be."""

    streams_max: int
    streams: int = 0


class Streams:
    """Makes streams, no more than there may be."""

    def __init__(
        self,
        board: Board,
        liveliness: Liveliness,
        office_parts: Callable[[str, Painting], Awaitable[Parts | None]],
    ) -> None:
        """There are none yet.

        Args:
            board: what all of them look at.
            liveliness: how often, and how many.
            office_parts: paints an office's page; None: there is no such office.
        """
        self._board = board
        self._liveliness = liveliness
        self._office_parts = office_parts
        self._occupancy = Occupancy(liveliness.streams_max)

    async def fleet(self, request: Request) -> Response:
        """What changes on the page of the fleet."""
        return self._stream(request, self._fleet_change)

    async def office(self, request: Request) -> Response:
        """What changes on the page of one office."""
        office, sent = request.path_params["office"], dict[str, str]()

        async def change(painting: Painting, since: int) -> Mapping[str, object]:
            if max(painting.line_turns.get(office, 0), painting.part_turns["trouble"]) <= since:
                return {}
            parts = await self._office_parts(office, painting) or {}
            news = {name: text for name, text in parts.items() if sent.get(name) != text}
            sent.update(news)
            return {"parts": news} if news else {}

        return self._stream(request, change)

    async def _fleet_change(self, painting: Painting, since: int) -> Mapping[str, object]:
        parts, pieces = painting.changed_parts(since), painting.changed_pieces(since)
        return {"parts": parts, "offices": [_office(piece) for piece in pieces]} if parts or pieces else {}

    def _stream(self, request: Request, change: Callable[[Painting, int], Awaitable[Mapping[str, object]]]) -> Response:
        if request.method == "HEAD":
            return Response(headers=STREAM_HEADERS)
        if self._occupancy.streams >= self._occupancy.streams_max:
            sentence = "As many pages are live as may be at once; this one is as it was when it was read.\n"
            return PlainTextResponse(sentence, 503, {"retry-after": "60"})
        token = request.headers.get("last-event-id") or request.query_params.get("since", "")
        return EventStream(self._occupancy, self._events(token, change))

    async def _events(
        self, token: str, change: Callable[[Painting, int], Awaitable[Mapping[str, object]]]
    ) -> AsyncGenerator[str, None]:
        yield f"retry: {RETRY_SECONDS * 1000}\n\n"
        told_at = anyio.current_time()
        while True:
            painting = await self._board.look()
            since, now_seen = self._board.seen(token, painting), self._board.token(painting)
            event = ""
            if since is None:
                event = _event("stale", now_seen, {})
            elif now_seen != token and (news := await change(painting, since)):
                event = _event("change", now_seen, news)
            elif anyio.current_time() - told_at >= self._liveliness.heartbeat_seconds:
                event = ":\n\n"
            token = now_seen
            if event:
                told_at = anyio.current_time()
                yield event
            await anyio.sleep(self._liveliness.settle_seconds)


STREAM_HEADERS = {"content-type": "text/event-stream", "x-accel-buffering": "no"}


class EventStream(Response):
    """An answer that goes on until its reader goes, or is told that this is the end."""

    def __init__(self, occupancy: Occupancy, events: AsyncGenerator[str, None]) -> None:
        super().__init__(headers=STREAM_HEADERS)
        del self.headers["content-length"]
        self._occupancy = occupancy
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events as they come."""
        del scope
        self._occupancy.streams += 1
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                async with aclosing(self._events) as events:
                    async for event in events:
                        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._occupancy.streams -= 1


async def _until_gone(receive: Receive, stream: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()


def _event(name: str, token: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\nid: {token}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _office(piece: Piece) -> Mapping[str, object]:
    line = piece.line
    return {
        "id": line.id,
        "condition": line.standing.condition,
        "outlook": line.forecast.outlook,
        "labels": piece.labels,
        "find": piece.find,
        "cell": piece.cell,
        "row": piece.row,
    }
