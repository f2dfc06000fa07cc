"""Responses that take long to render for a large fleet: a thread renders them, without secrets."""

import json
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from oddaemon.telemetry.metrics.office import OfficeStatusSource
from oddaemon.telemetry.telemetry import Telemetry


async def respond_redacted_json(
    telemetry: Telemetry, document: Mapping[str, Any], limiter: anyio.CapacityLimiter | None = None
) -> Response:
    """A document that quotes other systems' messages; `limiter` bounds the threads that render one."""

    def render() -> str:
        # First redacted, then serialized: a pattern that matched across an escape would make it invalid JSON.
        return json.dumps(telemetry.redact_fields(document), ensure_ascii=False) + "\n"

    return Response(await anyio.to_thread.run_sync(render, limiter=limiter), media_type="application/json")


async def respond_metrics(request: Request, telemetry: Telemetry, office_metrics: OfficeStatusSource) -> Response:
    """Prometheus text, or OpenMetrics if the client accepts it."""
    accept = request.headers.get("accept", "")
    scrape = await anyio.to_thread.run_sync(telemetry.render, office_metrics(), accept)
    return Response(scrape.body, headers={"content-type": scrape.content_type})
