"""The page shows the code, and the way of a balance is the one that a night takes."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, FrameType

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from docs.architecture import BALANCE_PATH, PAGE, render_page
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from tests.engine.delivery.fake_consumer import make_sink_settings
from tests.engine.night import SMALL, night

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

CODES: Mapping[CodeType, str] = {function.__code__: function.__qualname__ for function in BALANCE_PATH}


async def acknowledge(_request: Request) -> Response:
    return Response(status_code=204)


@contextmanager
def recording() -> Iterator[list[str]]:
    """The functions of the way that run meanwhile, in any thread, in their order."""
    names: list[str] = []

    def record(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and (name := CODES.get(frame.f_code)):
            names.append(name)

    threading.setprofile(record)
    sys.setprofile(record)
    try:
        yield names
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def test_the_page_shows_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert render_page(text) == text, "run `make docs`"


async def test_a_balance_goes_the_way_of_the_page(tmp_path: Path) -> None:
    app = Starlette(routes=[Route("/", acknowledge, methods=["POST"])])
    options = WebhookOptions("http://consumer/", b"x" * 32, rows_max=1000, timeout_seconds=60.0, compressed=False)
    sink = Webhook(options, lambda: datetime.now(UTC), transport=lambda: httpx.ASGITransport(app))
    with recording() as names:
        async with night(tmp_path, [SMALL], sinks=[make_sink_settings()], make_sink=lambda _: sink) as world:
            await world.wait_for_event("delivery_succeeded")
    remaining = iter(names)
    missing = [name for name in CODES.values() if name not in remaining]
    assert not missing, f"the night did not run {missing} in the order of the page"
