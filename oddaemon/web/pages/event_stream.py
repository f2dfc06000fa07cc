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

from oddaemon.web.pages.fleet_feed import FleetFeed
from oddaemon.web.pages.rendered import Parts, RenderedFleet, RenderedOffice

RETRY_SECONDS = 3
"""After that long a browser whose stream has ended asks again."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How live the pages are."""

    settle_seconds: float = 1.0
    """What changes within it is told together."""
    heartbeat_seconds: float = 15.0
    """After that long without news a comment is sent."""
    streams_max: int = 16
    """At one instant; whoever comes later has a page that does not move."""


@dataclass(slots=True)
class StreamSlots:
    """How many streams there are, and may be."""

    streams_max: int
    used: int = 0


class StreamRegistry:
    """Makes streams, no more than there may be."""

    def __init__(
        self,
        feed: FleetFeed,
        options: StreamOptions,
        render_office_parts: Callable[[str, RenderedFleet], Awaitable[Parts | None]],
    ) -> None:
        """There are none yet.

        Args:
            feed: what all of them look at.
            options: how often, and how many.
            render_office_parts: paints an office's page; None: there is no such office.
        """
        self._feed = feed
        self._options = options
        self._render_office_parts = render_office_parts
        self._slots = StreamSlots(options.streams_max)

    async def stream_fleet(self, request: Request) -> Response:
        """What changes on the page of the fleet."""
        return self._open_stream(request, self._get_fleet_changes)

    async def stream_office(self, request: Request) -> Response:
        """What changes on the page of one office."""
        office, sent = request.path_params["office"], dict[str, str]()

        async def get_changes(rendered: RenderedFleet, since: int) -> Mapping[str, object]:
            if max(rendered.overview_revisions.get(office, 0), rendered.part_revisions["trouble"]) <= since:
                return {}
            parts = await self._render_office_parts(office, rendered) or {}
            updates = {name: text for name, text in parts.items() if sent.get(name) != text}
            sent.update(updates)
            return {"parts": updates} if updates else {}

        return self._open_stream(request, get_changes)

    async def _get_fleet_changes(self, rendered: RenderedFleet, since: int) -> Mapping[str, object]:
        parts, offices = rendered.get_changed_parts(since), rendered.get_changed_offices(since)
        return (
            {"parts": parts, "offices": [_build_office_update(office) for office in offices]}
            if parts or offices
            else {}
        )

    def _open_stream(
        self, request: Request, get_changes: Callable[[RenderedFleet, int], Awaitable[Mapping[str, object]]]
    ) -> Response:
        if request.method == "HEAD":
            return Response(headers=STREAM_HEADERS)
        if self._slots.used >= self._slots.streams_max:
            sentence = "As many pages are live as may be at once; this one is as it was when it was read.\n"
            return PlainTextResponse(sentence, 503, {"retry-after": "60"})
        token = request.headers.get("last-event-id") or request.query_params.get("since", "")
        return EventStream(self._slots, self._generate_events(token, get_changes))

    async def _generate_events(
        self, token: str, get_changes: Callable[[RenderedFleet, int], Awaitable[Mapping[str, object]]]
    ) -> AsyncGenerator[str, None]:
        yield f"retry: {RETRY_SECONDS * 1000}\n\n"
        sent_at = anyio.current_time()
        while True:
            rendered = await self._feed.refresh()
            since, current_token = self._feed.parse_token(token, rendered), self._feed.make_token(rendered)
            event = ""
            if since is None:
                event = _format_event("stale", current_token, {})
            elif current_token != token and (updates := await get_changes(rendered, since)):
                event = _format_event("change", current_token, updates)
            elif anyio.current_time() - sent_at >= self._options.heartbeat_seconds:
                event = ":\n\n"
            token = current_token
            if event:
                sent_at = anyio.current_time()
                yield event
            await anyio.sleep(self._options.settle_seconds)


STREAM_HEADERS = {"content-type": "text/event-stream", "x-accel-buffering": "no"}


class EventStream(Response):
    """An answer that goes on until its reader goes, or is told that this is the end."""

    def __init__(self, slots: StreamSlots, events: AsyncGenerator[str, None]) -> None:
        super().__init__(headers=STREAM_HEADERS)
        del self.headers["content-length"]
        self._slots = slots
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events as they come."""
        del scope
        self._slots.used += 1
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
                async with aclosing(self._events) as events:
                    async for event in events:
                        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._slots.used -= 1


async def _cancel_on_disconnect(receive: Receive, stream: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()


def _format_event(name: str, token: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\nid: {token}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _build_office_update(rendered: RenderedOffice) -> Mapping[str, object]:
    overview = rendered.overview
    return {
        "id": overview.id,
        "condition": overview.status.condition,
        "outlook": overview.forecast.outlook,
        "labels": rendered.labels,
        "find": rendered.search_text,
        "cell": rendered.cell,
        "row": rendered.row,
    }
