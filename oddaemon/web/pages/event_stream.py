"""The streams that update an open page: server-sent events, few and small.

A stream ends when its reader disconnects or the listener stops. It sends `change` (the parts of the page that changed),
`stale` (offices were added or removed, or this is another process: load the page again), and from time to time a
comment, which reveals a reader that is gone.
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
from oddaemon.web.pages.rendered import Parts, RenderedFleet
from oddaemon.web.pages.view_models import OfficeView

RETRY_SECONDS = 3
"""After that long a browser whose stream has ended reconnects."""
STREAM_HEADERS = {"content-type": "text/event-stream", "x-accel-buffering": "no"}

GetChanges = Callable[[RenderedFleet, int], Awaitable[Mapping[str, object]]]
"""What to send to a reader at this revision; empty: nothing."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How live the pages are."""

    settle_seconds: float = 1.0
    """Changes within it are sent together."""
    heartbeat_seconds: float = 15.0
    """After that long without a change a comment is sent."""
    streams_max: int = 12
    """At one instant; a page that comes later is not live."""


class StreamRegistry:
    """Opens streams, at most `streams_max` at once.

    Args:
        feed: The rendered fleet.
        options: How often, and how many.
        render_office: Renders the page of an office, as view and parts; None: there is no such office.
    """

    def __init__(
        self,
        feed: FleetFeed,
        options: StreamOptions,
        render_office: Callable[[str, RenderedFleet], Awaitable[tuple[OfficeView, Parts] | None]],
    ) -> None:
        self._feed = feed
        self._options = options
        self._render_office = render_office
        self._limiter = anyio.CapacityLimiter(options.streams_max)

    async def stream_fleet(self, request: Request) -> Response:
        """The changes of the fleet page."""
        return self._open_stream(request, _get_fleet_changes)

    async def stream_office(self, request: Request) -> Response:
        """The changes of the page of one office."""
        office_id, sent = request.path_params["office"], dict[str, str]()

        async def get_changes(rendered: RenderedFleet, since: int) -> Mapping[str, object]:
            if not rendered.has_office_changed(office_id, since):
                return {}
            found = await self._render_office(office_id, rendered)
            parts = found[1] if found else {}
            updates = {name: text for name, text in parts.items() if sent.get(name) != text}
            sent.update(updates)
            return {"parts": updates} if updates else {}

        return self._open_stream(request, get_changes)

    def _open_stream(self, request: Request, get_changes: GetChanges) -> Response:
        if request.method == "HEAD":
            return Response(headers=STREAM_HEADERS)
        if not self._limiter.available_tokens:
            sentence = "Too many pages are live already. This one shows the moment at which it was loaded.\n"
            return PlainTextResponse(sentence, 503, {"retry-after": "60"})
        token = request.headers.get("last-event-id") or request.query_params.get("since", "")
        return EventStream(self._limiter, self._generate_events(token, get_changes))

    async def _generate_events(self, token: str, get_changes: GetChanges) -> AsyncGenerator[str, None]:
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


class EventStream(Response):
    """A response that goes on until its reader disconnects or its events end."""

    def __init__(self, limiter: anyio.CapacityLimiter, events: AsyncGenerator[str, None]) -> None:
        super().__init__(headers=STREAM_HEADERS)
        del self.headers["content-length"]
        self._limiter = limiter
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events as they come."""
        del scope
        async with self._limiter:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
                async with aclosing(self._events) as events:
                    async for event in events:
                        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def _cancel_on_disconnect(receive: Receive, stream: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()


async def _get_fleet_changes(rendered: RenderedFleet, since: int) -> Mapping[str, object]:
    parts, offices = rendered.get_changed_parts(since), rendered.get_changed_offices(since)
    if not parts and not offices:
        return {}
    if rendered.is_large:
        # The page fetches its part of the list again: thousands of rows take seconds to render.
        return {
            "parts": parts,
            "offices": [{"id": each.office.id, "condition": each.office.status.condition} for each in offices],
        }
    return {"parts": parts, "offices": [office.shown for office in offices]}


def _format_event(name: str, token: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\nid: {token}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
