"""The fleet as it was painted last, shared by all who look: what changed is painted anew, at most once a second.

Each piece carries the turn at which it changed, so whoever has seen turn 12 is sent what came after it, however many
are looking. A token names a turn of this process; one of another process has seen nothing.
"""

import secrets

import anyio
import anyio.to_thread

from oddaemon.web.pages.rendered import RenderedFleet, RenderedOffice
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.view_models import FleetPageView, PageViewSource


class FleetFeed:
    """What everybody sees of the fleet. Used on one event loop; painting happens in a thread."""

    def __init__(self, source: PageViewSource, renderer: Renderer, settle_seconds: float) -> None:
        """Nothing is painted before somebody looks.

        Args:
            source: where to look.
            renderer: paints.
            settle_seconds: the fleet is looked at no more often than this; what changes in between is told together.
        """
        self._source = source
        self._renderer = renderer
        self._settle_seconds = settle_seconds
        self._boot = secrets.token_hex(4)
        self._rendered = RenderedFleet()
        self._refreshed_at = 0.0
        self._refresh_lock = anyio.Lock()

    async def refresh(self) -> RenderedFleet:
        """The board, brought up to date unless that was done a moment ago."""
        async with self._refresh_lock:
            if not self._rendered.revision or anyio.current_time() - self._refreshed_at >= self._settle_seconds:
                view = await self._source.get_fleet()
                self._refreshed_at = anyio.current_time()
                if not self._rendered.revision or view != self._rendered.view:
                    self._rendered = await anyio.to_thread.run_sync(render_fleet, self._renderer, self._rendered, view)
        return self._rendered

    def make_token(self, rendered: RenderedFleet) -> str:
        """Names the turn of a painting."""
        return f"{self._boot}.{rendered.revision}"

    def parse_token(self, token: str, rendered: RenderedFleet) -> int | None:
        """The turn that a token names; None where its page must be read again as a whole."""
        boot, _, revision = token.partition(".")
        if (
            boot != self._boot
            or not (revision.isascii() and revision.isdecimal())
            or len(revision) > len(str(rendered.revision))
        ):
            return None
        return int(revision) if rendered.rebuilt_revision <= int(revision) <= rendered.revision else None


def render_fleet(renderer: Renderer, previous: RenderedFleet, view: FleetPageView) -> RenderedFleet:
    """The next painting: only what changed is painted anew. Slow: run it in a thread."""
    revision = previous.revision + 1
    offices: dict[str, RenderedOffice] = {}
    office_revisions: dict[str, int] = {}
    overview_revisions: dict[str, int] = {}
    for overview in view.offices:
        cached = previous.offices.get(overview.id)
        # Most lines are the very same object as before: comparing thousands of them takes no time.
        if cached is not None and (cached.overview is overview or cached.overview == overview):
            offices[overview.id], overview_revisions[overview.id] = cached, previous.overview_revisions[overview.id]
        else:
            offices[overview.id], overview_revisions[overview.id] = renderer.render_office(overview), revision
        looks_same = cached is not None and cached.looks_like(offices[overview.id])
        office_revisions[overview.id] = previous.office_revisions[overview.id] if looks_same else revision
    parts = renderer.render_fleet_parts(view)
    is_rebuilt = (
        not previous.revision
        or view.generation != previous.view.generation
        or offices.keys() != previous.offices.keys()
    )
    return RenderedFleet(
        revision=revision,
        rebuilt_revision=revision if is_rebuilt else previous.rebuilt_revision,
        view=view,
        parts=parts,
        offices=offices,
        part_revisions={
            name: previous.part_revisions[name] if previous.parts.get(name) == text else revision
            for name, text in parts.items()
        },
        office_revisions=office_revisions,
        overview_revisions=overview_revisions,
    )
