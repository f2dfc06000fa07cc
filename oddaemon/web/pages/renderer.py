"""Pictures into HTML, piece by piece, so that a piece can be sent again by itself when it has changed.

Every value that a template writes is escaped and redacted on its way; a template's own text is neither. All of it
is slow enough to be run in a thread.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from oddaemon.core.model import Condition
from oddaemon.core.office.key_rotation import describe_key_rotation
from oddaemon.core.office.status import OWNER_NAMES, OWNER_SHORT_NAMES, WORST_FIRST
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.web.pages import formatting, summaries
from oddaemon.web.pages.chart import make_bucket_chart
from oddaemon.web.pages.rendered import Parts, RenderedFleet, RenderedOffice
from oddaemon.web.pages.runbook import load_runbook
from oddaemon.web.pages.search import Search, build_search_text, count_labels, format_labels
from oddaemon.web.pages.view_models import FleetPageView, OfficeOverview, OfficePageView

AT_RISK_MAX = 6
ROWS_MAX = 50
"""Offices that the list shows unless it is asked for all: the grid above it has every one."""
PULLS_MAX = 10
_OUTLOOK_SUFFIXES = {Outlook.AT_RISK: ", at risk", Outlook.WILL_MISS: ", will miss its hour"}


class Renderer:
    """Knows the templates."""

    def __init__(self, redact: Callable[[str], str], static: Callable[[str], str]) -> None:
        """Load them.

        Args:
            redact: what may be shown of a text.
            static: the address of a file that the pages need.
        """
        self._redact = redact
        self._environment = Environment(
            loader=PackageLoader("oddaemon.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=self._redact_value,
        )
        self._environment.globals["static"] = static
        self._environment.filters |= {
            "actor": lambda owner: OWNER_SHORT_NAMES[owner],
            "change": summaries.format_change,
            "clock_time": formatting.format_time,
            "day": formatting.format_day,
            "dollars": formatting.format_dollars,
            "margin": formatting.format_margin,
            "meaning": lambda condition: formatting.MEANINGS[condition],
            "moment": formatting.format_moment,
            "number": formatting.format_number,
            "offices": formatting.format_office_count,
            "outcome": lambda outcome: formatting.OUTCOMES[outcome],
            "outlook": lambda outlook: formatting.OUTLOOKS[outlook],
            "owner": lambda owner: OWNER_NAMES[owner],
            "prose": self._render_prose,
            "sentence": lambda clause: clause[:1].upper() + clause[1:],
            "took": formatting.format_seconds,
            "told_of_trial": lambda rotation, ends_at: describe_key_rotation(rotation.former_accepted, ends_at),
            "took_abs": lambda seconds: formatting.format_seconds(abs(seconds)),
            "utc": formatting.format_utc,
        }

    def render_office(self, overview: OfficeOverview) -> RenderedOffice:
        """One office for the page of the fleet."""
        outlook_suffix = _OUTLOOK_SUFFIXES.get(overview.forecast.outlook, "")
        return RenderedOffice(
            overview=overview,
            cell=self._render_template("cell.html", line=overview, foreboding=outlook_suffix),
            row=self._render_template("row.html", line=overview, labels=format_labels(overview)),
            search_text=self._redact(build_search_text(overview)),
            labels=self._redact("\n".join(format_labels(overview))),
        )

    def render_fleet_parts(self, view: FleetPageView) -> Parts:
        """What the page of the fleet says of all offices together."""
        overviews = view.offices
        conditions = Counter(overview.status.condition for overview in overviews)
        outlooks = Counter(line.forecast.outlook for line in overviews)
        at_risk = summaries.list_at_risk(overviews)
        return {
            "title": summaries.format_title(conditions),
            "trouble": self._render_template("trouble.html", trouble=view.not_ready_reason),
            "headline": self._render_template("headline.html", **summaries.summarize_conditions(conditions)),
            "figures": self._render_template("figures.html", **summaries.compute_figures(overviews, outlooks)),
            "watch": self._render_template(
                "watch.html", watched=at_risk[:AT_RISK_MAX], more=max(0, len(at_risk) - AT_RISK_MAX)
            ),
            **{f"count-{condition}": formatting.format_number(conditions[condition]) for condition in Condition},
            **{f"count-{outlook}": formatting.format_number(outlooks[outlook]) for outlook in Outlook},
        }

    def render_fleet_page(self, rendered: RenderedFleet, search: Search, token: str, at: datetime) -> str:
        """The whole page of the fleet.

        Args:
            rendered: all offices.
            search: which of them are wanted; the others are there, and hidden.
            token: how far the page has come, for the stream of changes.
            at: now.
        """
        offices = tuple(rendered.offices.values())
        worst_first = sorted(offices, key=lambda piece: summaries.get_severity_key(piece.overview))
        found = [office.overview.id for office in worst_first if search.matches(office.overview)]
        all_of_them = formatting.format_office_count(len(offices))
        return self._environment.get_template("fleet.html").render(
            here="fleet",
            title=rendered.parts["title"],
            parts=rendered.parts,
            by_name=sorted(offices, key=lambda piece: (piece.overview.name.casefold(), piece.overview.id)),
            worst_first=worst_first,
            hidden={piece.overview.id for piece in offices} - set(found),
            listed=set(found if search.all_rows else found[:ROWS_MAX]),
            rows_max=ROWS_MAX,
            unlisted=len(found) > ROWS_MAX and not search.all_rows,
            all_rows=search.to_query(all_rows=True),
            shown=len(found),
            nothing=not found,
            found=all_of_them if len(found) == len(offices) else f"{len(found):,} of {all_of_them}",
            search=search,
            choices=count_labels(rendered.view.offices),
            conditions=WORST_FIRST,
            outlooks=tuple(outlook for outlook in Outlook if outlook is not Outlook.NONE),
            configured_at=rendered.view.configured_at,
            token=token,
            at=at,
        )

    def render_office_parts(self, view: OfficePageView, not_ready_reason: str) -> Parts:
        """The sections of an office's page."""
        overview, nights = view.overview, view.nights
        known = [night for night in nights if night.last is not None]
        latest = known[-1].last.totals if known and known[-1].last else None
        earlier = known[-2].last.totals if known[1:] and known[-2].last else None
        pulls = view.publications[:PULLS_MAX]
        summary = f"{len(known)} of {len(nights)} have a snapshot."
        return {
            "title": self._redact(f"{overview.name}: {overview.status.condition} · oddaemon"),
            "trouble": self._render_template("trouble.html", trouble=not_ready_reason),
            "standing": self._render_template(
                "office_standing.html",
                picture=view,
                line=overview,
                labels=format_labels(overview),
                preferences=view.preferences,
            ),
            "nights": self._render_template(
                "office_nights.html",
                line=overview,
                nights=nights,
                told=summaries.describe_outcomes(nights),
                shown=summaries.list_outcomes(nights),
            ),
            "buckets": self._render_template(
                "office_buckets.html",
                line=overview,
                nights=nights,
                chart=make_bucket_chart(nights),
                buckets=formatting.BUCKETS,
                latest=latest and latest._asdict(),
                earlier=earlier and earlier._asdict(),
                days=[night.aging_date for night in known[-2:]],
                told=summary,
            ),
            "pulls": self._render_template(
                "office_pulls.html", line=overview, pulls=pulls, readers={pull.reader.value for pull in pulls}
            ),
            "journal": self._render_template("office_journal.html", line=overview, journal=view.journal),
        }

    def render_office_page(self, view: OfficePageView, parts: Parts, token: str, at: datetime) -> str:
        """The whole page of an office; `parts` are of the same picture."""
        template = self._environment.get_template("office.html")
        return template.render(here="office", line=view.overview, parts=parts, token=token, at=at)

    def render_runbook_page(self, at: datetime) -> str:
        """What to do about what."""
        return self._environment.get_template("runbook.html").render(here="runbook", runbook=load_runbook(), at=at)

    def render_problem_page(self, headline: str, sentence: str, at: datetime) -> str:
        """What is shown where there is nothing to show."""
        template = self._environment.get_template("problem.html")
        return template.render(here="problem", headline=headline, sentence=sentence, at=at)

    def _render_template(self, name: str, **values: object) -> Markup:
        return Markup(self._environment.get_template(name).render(values).strip())  # noqa: S704 - a template's own output, escaped there

    def _render_prose(self, text: str) -> Markup:
        """A sentence in which what stands between backticks is code."""
        parts = self._redact(text).split("`")
        marked = (
            Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
        )
        return Markup("").join(marked) if len(parts) % 2 else escape("`".join(parts))

    def _redact_value(self, value: object) -> object:
        """What every value of every template goes through."""
        if isinstance(value, str) and not isinstance(value, Markup):
            return self._redact(value)
        return value
