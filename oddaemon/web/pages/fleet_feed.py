"""The rendered fleet that all open pages share: what changed is rendered again, at most once a second.

Each piece carries the revision of its last change, so a reader at revision 12 gets what changed after it, however many
readers there are. A token names a revision of this process; a token of another process is stale.
"""

import secrets

import anyio
import anyio.to_thread

from oddaemon.web.pages.rendered import LARGE_MIN, RenderedFleet, RenderedOffice
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.view_models import FleetPageView, OfficeView, PageViewSource


class FleetFeed:
    """Keeps the rendered fleet up to date, for one event loop; rendering runs in a thread.

    Args:
        source: Builds the views.
        renderer: Renders them.
        settle_seconds: The least time between two views; readers get the changes in between together.
    """

    def __init__(self, source: PageViewSource, renderer: Renderer, settle_seconds: float) -> None:
        self._source = source
        self._renderer = renderer
        self._settle_seconds = settle_seconds
        self._boot = secrets.token_hex(4)
        self._rendered = RenderedFleet()
        self._refreshed_at = 0.0
        self._refresh_lock = anyio.Lock()

    async def refresh(self) -> RenderedFleet:
        """The rendered fleet, at most `settle_seconds` old."""
        async with self._refresh_lock:
            if not self._rendered.revision or anyio.current_time() - self._refreshed_at >= self._settle_seconds:
                view = await self._source.build_fleet()
                self._refreshed_at = anyio.current_time()
                if not self._rendered.revision or view != self._rendered.view:
                    self._rendered = await anyio.to_thread.run_sync(render_fleet, self._renderer, self._rendered, view)
        return self._rendered

    def make_token(self, rendered: RenderedFleet) -> str:
        """The name of a revision."""
        return f"{self._boot}.{rendered.revision}"

    def parse_token(self, token: str, rendered: RenderedFleet) -> int | None:
        """The revision that a token names; None: its page must be loaded again."""
        boot, _, revision = token.partition(".")
        is_number = revision.isascii() and revision.isdecimal() and len(revision) <= len(str(rendered.revision))
        if boot != self._boot or not is_number:
            return None
        return int(revision) if rendered.rebuilt_revision <= int(revision) <= rendered.revision else None


def render_fleet(renderer: Renderer, previous: RenderedFleet, view: FleetPageView) -> RenderedFleet:
    """The next revision: only what changed is rendered. Slow: run it in a thread."""
    revision = previous.revision + 1
    is_large = len(view.offices) > LARGE_MIN
    offices = {
        office.id: _render_office(renderer, previous.offices.get(office.id), office, revision, is_large=is_large)
        for office in view.offices
    }
    parts = renderer.render_fleet_parts(view)
    is_rebuilt = (
        not previous.revision
        or view.generation != previous.view.generation
        or (view.hosts is None) != (previous.view.hosts is None)
        or offices.keys() != previous.offices.keys()
    )
    return RenderedFleet(
        revision=revision,
        rebuilt_revision=revision if is_rebuilt else previous.rebuilt_revision,
        view=view,
        parts=parts,
        part_revisions={
            name: previous.part_revisions[name] if previous.parts.get(name) == text else revision
            for name, text in parts.items()
        },
        offices=offices,
    )


def _render_office(
    renderer: Renderer, previous: RenderedOffice | None, office: OfficeView, revision: int, *, is_large: bool
) -> RenderedOffice:
    # Most views are the very same object as before: comparing thousands of them takes no time.
    if previous is not None and (previous.office is office or previous.office == office):
        return previous
    rendered = RenderedOffice(office, renderer.render_office, revision, revision)
    if previous is not None and not is_large and previous.shown == rendered.shown:
        rendered.revision = previous.revision
    return rendered
