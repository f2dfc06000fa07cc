"""What can be looked at on the control socket: the fleet, one office with its journal, the metrics.

Nothing here changes anything. Documents are taken on the event loop; turning them into text happens in a thread.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.telemetry.fleet import FleetView
from oddaemon.telemetry.telemetry import Telemetry

JOURNAL_ENTRIES = 20
JOURNAL_ENTRIES_MAX = 10_000

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Who knows what is asked for."""

    fleet: Callable[[], Awaitable[Document]]
    office: Callable[[str, int], Awaitable[Document | None]]
    """An office's id, and how many entries of its journal; None: there is none."""


def inspection_routes(inspection: Inspection, telemetry: Telemetry, fleet: FleetView) -> list[Route]:
    """`GET /status`, `GET /offices/ID?journal=N` and `GET /metrics`.

    Args:
        inspection: Makes the documents.
        telemetry: Renders the metrics, and redacts what the documents quote of other sides' messages.
        fleet: The figures of every office.
    """

    async def status(_request: Request) -> Response:
        return await _json(telemetry, await inspection.fleet())

    async def office(request: Request) -> Response:
        wanted = request.path_params["office"]
        entries = _number(request.query_params.get("journal", ""))
        if entries is None:
            return _refusal(400, f"`journal` is a number of 0 to {JOURNAL_ENTRIES_MAX}.", "")
        document = await inspection.office(wanted, entries)
        if document is not None:
            return await _json(telemetry, document)
        near = get_close_matches(wanted.casefold(), [view.office for view in fleet()], n=1)
        advice = f"Did you mean `{near[0]}`?" if near else "`oddaemon status` lists all offices."
        return _refusal(404, f"The daemon knows no office {wanted!r}.", advice)

    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        scrape = await anyio.to_thread.run_sync(telemetry.render, fleet(), accept)
        return Response(scrape.body, headers={"content-type": scrape.content_type})

    return [Route("/status", status), Route("/offices/{office}", office), Route("/metrics", metrics)]


async def _json(telemetry: Telemetry, document: Document) -> Response:
    def body() -> str:
        return telemetry.redact(json.dumps(document, ensure_ascii=False)) + "\n"

    return Response(await anyio.to_thread.run_sync(body), media_type="application/json")


def _number(text: str) -> int | None:
    if not text:
        return JOURNAL_ENTRIES
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(JOURNAL_ENTRIES_MAX)) else None
    return number if number is None or number <= JOURNAL_ENTRIES_MAX else None


def _refusal(status: int, sentence: str, advice: str) -> Response:
    return JSONResponse({"error": sentence, "advice": advice}, status)
