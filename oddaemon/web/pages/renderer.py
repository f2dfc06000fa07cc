"""Renders views as HTML, in parts, so that a changed part can be sent alone.

Every value in a template is escaped and redacted; the template's own text is not. All of it is slow: run it in a
thread.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from oddaemon.core.model import Condition
from oddaemon.core.office.status import OWNER_NAMES, OWNER_SHORT_NAMES, WORST_FIRST
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.core.reporting.formatting import format_count
from oddaemon.core.reporting.status_document import SUMMED_GUARANTORS_MIN, describe_key_rotation, may_show_sums
from oddaemon.web.pages import formatting, summaries
from oddaemon.web.pages.chart import make_bucket_chart
from oddaemon.web.pages.large_fleet import make_pager, render_compact_grid
from oddaemon.web.pages.rendered import Parts, RenderedFleet
from oddaemon.web.pages.runbook import load_runbook
from oddaemon.web.pages.search import Search, build_search_text, count_labels, format_labels
from oddaemon.web.pages.view_models import FleetPageView, OfficeView

AT_RISK_MAX = 6
ROWS_MAX = 50
"""Offices in the list unless all are requested; the grid above it has every office."""
PULLS_MAX = 10
_OUTLOOK_SUFFIXES = {Outlook.AT_RISK: ", at risk", Outlook.WILL_MISS: ", will miss its deadline"}


class Renderer:
    """Renders the templates.

    Args:
        redact: Removes secrets from a text.
        static: Returns the address of a static file.
    """

    def __init__(self, redact: Callable[[str], str], static: Callable[[str], str]) -> None:
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
        self._environment.globals |= {"may_show_sums": may_show_sums, "guarantors_min": SUMMED_GUARANTORS_MIN}
        self._environment.filters |= {
            "absolute_seconds": lambda seconds: formatting.format_seconds(abs(seconds)),
            "change": summaries.format_change,
            "clock_time": formatting.format_time,
            "day": formatting.format_day,
            "dollars": formatting.format_dollars,
            "key_rotation": lambda rotation, ends_at: describe_key_rotation(rotation.previous_accepted, ends_at),
            "margin": formatting.format_margin,
            "meaning": lambda condition: formatting.MEANINGS[condition],
            "moment": formatting.format_moment,
            "number": "{:,}".format,
            "offices": lambda number: format_count(number, "office"),
            "outcome": lambda outcome: formatting.OUTCOMES[outcome],
            "outlook": lambda outlook: formatting.OUTLOOKS[outlook],
            "owner": lambda owner: OWNER_NAMES[owner],
            "owner_short": lambda owner: OWNER_SHORT_NAMES[owner],
            "prose": self._render_prose,
            "seconds": formatting.format_seconds,
            "sentence": lambda clause: clause[:1].upper() + clause[1:],
            "utc": formatting.format_utc,
            "utc_text": lambda at: f"{at:%Y-%m-%d %H:%M} UTC",
        }

    def render_office(self, office: OfficeView) -> Mapping[str, str]:
        """Everything of one office on the fleet page, as `page.js` receives it."""
        outlook_suffix = _OUTLOOK_SUFFIXES.get(office.forecast.outlook, "")
        return {
            "id": office.id,
            "condition": office.status.condition,
            "outlook": office.forecast.outlook,
            "labels": self._redact("\n".join(format_labels(office))),
            "find": self._redact(build_search_text(office)),
            "cell": self._render_template("cell.html", office=office, outlook_suffix=outlook_suffix),
            "row": self._render_template("row.html", office=office, labels=format_labels(office)),
        }

    def render_fleet_parts(self, view: FleetPageView) -> Parts:
        """The parts of the fleet page about all offices together."""
        conditions = Counter(office.status.condition for office in view.offices)
        outlooks = Counter(office.forecast.outlook for office in view.offices)
        at_risk = summaries.list_at_risk(view.offices)
        return {
            "title": summaries.format_title(conditions),
            "not-ready": self._render_template("not_ready.html", reason=view.not_ready_reason),
            "headline": self._render_template("headline.html", **summaries.summarize_conditions(conditions)),
            "figures": self._render_template("figures.html", **summaries.compute_figures(view.offices, outlooks)),
            "at-risk": self._render_template(
                "at_risk.html", at_risk=at_risk[:AT_RISK_MAX], more=max(0, len(at_risk) - AT_RISK_MAX)
            ),
            **({} if view.hosts is None else {"hosts": self._render_template("hosts.html", view=view.hosts)}),
            **{f"count-{condition}": f"{conditions[condition]:,}" for condition in Condition},
            **{f"count-{outlook}": f"{outlooks[outlook]:,}" for outlook in Outlook},
        }

    def render_fleet_page(self, rendered: RenderedFleet, search: Search, token: str, at: datetime) -> str:
        """The whole fleet page.

        Args:
            rendered: All offices.
            search: Selects the offices to show. The others are on the page, but hidden, unless the fleet is large.
            token: The page's revision, for the stream of changes.
            at: Now.
        """
        offices = tuple(rendered.offices.values())
        by_name = sorted(offices, key=lambda each: (each.office.name.casefold(), each.office.id))
        worst_first = sorted(offices, key=lambda each: summaries.get_severity_key(each.office))
        found = [each.office.id for each in worst_first if search.matches(each.office)]
        all_of_them = format_count(len(offices), "office")
        listed, pager, grid = set(found if search.all_rows else found[:ROWS_MAX]), None, None
        if rendered.is_large:
            wanted, pager = set(found), make_pager(search, len(found), ROWS_MAX)
            by_name = [each for each in by_name if each.office.id in wanted]
            matching = by_name if search.by_name else [rendered.offices[each] for each in found]
            worst_first = matching[pager.start : pager.end]
            listed = {each.office.id for each in worst_first}
            grid = render_compact_grid([each.office for each in by_name], self._redact)
        return self._environment.get_template("fleet.html").render(
            here="fleet",
            title=rendered.parts["title"],
            parts=rendered.parts,
            is_empty=not offices,
            by_name=by_name,
            grid=grid,
            pager=pager,
            worst_first=worst_first,
            hidden={each.office.id for each in offices} - set(found),
            listed=listed,
            rows_max=ROWS_MAX,
            unlisted=pager is None and len(found) > ROWS_MAX and not search.all_rows,
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

    def render_office_parts(self, office: OfficeView, not_ready_reason: str) -> Parts:
        """The parts of an office page."""
        nights, outcomes = office.nights, summaries.count_outcomes(office.nights)
        published = [night for night in nights if night.last is not None]
        known = [night for night in published if night.last and may_show_sums(night.last.totals.guarantors)]
        latest = known[-1].last.totals if known and known[-1].last else None
        earlier = known[-2].last.totals if known[1:] and known[-2].last else None
        pulls = office.publications[:PULLS_MAX]
        summary = f"{len(published)} of {len(nights)} have a snapshot."
        return {
            "title": self._redact(f"{office.name}: {office.status.condition} · oddaemon"),
            "not-ready": self._render_template("not_ready.html", reason=not_ready_reason),
            "status": self._render_template(
                "office_status.html", office=office, labels=format_labels(office), preferences=office.preferences
            ),
            "nights": self._render_template(
                "office_nights.html",
                office=office,
                nights=nights,
                summary=", ".join(f"{number} {formatting.OUTCOMES[outcome]}" for outcome, number in outcomes.items()),
                shown=outcomes,
            ),
            "buckets": self._render_template(
                "office_buckets.html",
                office=office,
                nights=nights,
                known=known,
                chart=make_bucket_chart(nights),
                published=published,
                buckets=formatting.BUCKETS,
                latest=latest and latest._asdict(),
                earlier=earlier and earlier._asdict(),
                days=[night.aging_date for night in known[-2:]],
                summary=summary,
            ),
            "pulls": self._render_template(
                "office_pulls.html", office=office, pulls=pulls, readers={pull.reader.value for pull in pulls}
            ),
            "journal": self._render_template("office_journal.html", office=office),
        }

    def render_office_page(self, office: OfficeView, parts: Parts, token: str, at: datetime) -> str:
        """The whole page of an office; `parts` are of the same view."""
        template = self._environment.get_template("office.html")
        return template.render(here="office", office=office, parts=parts, token=token, at=at)

    def render_runbook_page(self, at: datetime) -> str:
        """The runbook."""
        return self._environment.get_template("runbook.html").render(here="runbook", runbook=load_runbook(), at=at)

    def render_problem_page(self, headline: str, sentence: str, at: datetime) -> str:
        """A page with a headline and a sentence in place of the requested one."""
        template = self._environment.get_template("problem.html")
        return template.render(here="problem", headline=headline, sentence=sentence, at=at)

    def _render_template(self, name: str, **values: object) -> Markup:
        return Markup(self._environment.get_template(name).render(values).strip())  # noqa: S704 - the output of a template, which escapes

    def _render_prose(self, text: str) -> Markup:
        """A sentence; text between backticks is code."""
        parts = self._redact(text).split("`")
        marked = (
            Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
        )
        return Markup("").join(marked) if len(parts) % 2 else escape("`".join(parts))

    def _redact_value(self, value: object) -> object:
        """Redact the value of every template expression."""
        if isinstance(value, str) and not isinstance(value, Markup):
            return self._redact(value)
        return value
