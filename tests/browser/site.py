"""The real listener with the real pages, in a thread of its own, over a fleet that a test may change."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import anyio.lowlevel
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp

from oddaemon.core.status import OfficeStatus, StatusDocument, status_document
from oddaemon.telemetry.fleet import OfficeFigures
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import Readiness, create_app
from oddaemon.web.live import Liveliness
from oddaemon.web.pages import Pages
from oddaemon.web.server import serve
from tests.browser.sample import SampleFleet

LIVELY = Liveliness(settle_seconds=0.05)


@dataclass
class Site:
    """What shows a fleet."""

    fleet: SampleFleet
    secrets: tuple[str, ...] = ()
    liveliness: Liveliness = LIVELY

    def app(self) -> ASGIApp:
        telemetry = Telemetry(write=lambda _: None, now=lambda: self.fleet.now, version="test")
        telemetry.hide(self.secrets)
        return create_app(
            telemetry=telemetry,
            fleet=self._figures,
            readiness=lambda: Readiness(ready=not self.fleet.trouble, reason=self.fleet.trouble),
            status=self._status,
            pages=Pages(self.fleet.pictures, telemetry.redact, lambda: self.fleet.now, self.liveliness),
        )

    def _figures(self) -> tuple[OfficeFigures, ...]:
        return tuple(OfficeFigures(line.id, line.standing) for line in self.fleet.lines)

    async def _status(self) -> StatusDocument:
        await anyio.lowlevel.checkpoint()
        statuses = [OfficeStatus(line.id, line.name, line.standing, None, line.snapshot) for line in self.fleet.lines]
        return status_document(statuses, self.fleet.now)


@contextmanager
def shown(site: Site, port: int = 0) -> Iterator[str]:
    """The address at which the fleet is shown meanwhile."""
    with start_blocking_portal() as portal:
        task, (host, bound) = portal.start_task(serve, "127.0.0.1", port, site.app())
        try:
            yield f"http://{host}:{bound}"
        finally:
            portal.call(task.cancel)
            with suppress(CancelledError):
                task.result()
