"""The real listener with the real pages, in a thread of its own, over a fleet that a test may change."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp

from oddaemon.core.reporting.status_document import OfficeStatus, StatusDocument, make_status_document
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.http_server.server import serve
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import create_app
from oddaemon.web.pages.event_stream import StreamOptions
from oddaemon.web.pages.routes import Pages
from tests.browser.sample_fleet import SampleFleet

FAST_STREAM = StreamOptions(settle_seconds=0.05)


@dataclass
class PageSite:
    """What shows a fleet."""

    fleet: SampleFleet
    secrets: tuple[str, ...] = ()
    stream_options: StreamOptions = FAST_STREAM

    def create_app(self) -> ASGIApp:
        telemetry = Telemetry(write=lambda _: None, now=lambda: self.fleet.now, version="test")
        telemetry.add_secrets(self.secrets)
        return create_app(
            telemetry=telemetry,
            office_metrics=self._get_statuses,
            readiness=lambda: Readiness(ready=not self.fleet.failure, reason=self.fleet.failure),
            status=self._get_status,
            pages=Pages(self.fleet, telemetry.redact, lambda: self.fleet.now, self.stream_options),
        )

    def _get_statuses(self) -> list[OfficeStatus]:
        return [OfficeStatus(line.id, line.name, line.status, None, line.snapshot) for line in self.fleet.lines]

    def _get_status(self) -> StatusDocument:
        return make_status_document(self._get_statuses(), self.fleet.now)


@contextmanager
def serve_site(site: PageSite, port: int = 0) -> Iterator[str]:
    """The address at which the fleet is shown meanwhile."""
    with start_blocking_portal() as portal:
        task, (host, bound) = portal.start_task(serve, "127.0.0.1", port, site.create_app())
        try:
            yield f"http://{host}:{bound}"
        finally:
            portal.call(task.cancel)
            with suppress(CancelledError):
                task.result()
