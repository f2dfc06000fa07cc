"""Pictures into HTML, piece by piece, so that a piece can be sent again by itself when it has changed.

Every value that a template writes is escaped and redacted on its way; a template's own text is neither. All of it
is slow enough to be run in a thread.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from oddaemon.core.forecast import Outlook
from oddaemon.core.key_trial import trial_told
from oddaemon.core.model import Condition
from oddaemon.core.standing import ACTORS, OWNERS, WORST_FIRST
from oddaemon.web import telling, words
from oddaemon.web.chart import bucket_chart
from oddaemon.web.painting import Painting, Parts, Piece
from oddaemon.web.pictures import FleetPicture, OfficeLine, OfficePicture
from oddaemon.web.runbook import runbook
from oddaemon.web.search import Search, haystack, label_choices, labels

WATCHED_MAX = 6
ROWS_MAX = 50
"""Offices that the list shows unless it is asked for all: the grid above it has every one."""
PULLS_MAX = 10
_FOREBODING = {Outlook.AT_RISK: ", at risk", Outlook.WILL_MISS: ", will miss its hour"}


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
            finalize=self._shown,
        )
        self._environment.globals["static"] = static
        self._environment.filters |= {
            "actor": lambda owner: ACTORS[owner],
            "change": telling.change,
            "clock_time": words.clock_time,
            "day": words.day,
            "dollars": words.dollars,
            "margin": words.margin,
            "meaning": lambda condition: words.MEANINGS[condition],
            "moment": words.moment,
            "number": words.number,
            "offices": words.offices,
            "outcome": lambda outcome: words.OUTCOMES[outcome],
            "outlook": lambda outlook: words.OUTLOOKS[outlook],
            "owner": lambda owner: OWNERS[owner],
            "prose": self._prose,
            "sentence": lambda clause: clause[:1].upper() + clause[1:],
            "took": words.took,
            "told_of_trial": lambda trial, ends_at: trial_told(trial.former_accepted, ends_at),
            "took_abs": lambda seconds: words.took(abs(seconds)),
            "utc": words.utc,
        }

    def piece(self, line: OfficeLine) -> Piece:
        """One office for the page of the fleet."""
        foreboding = _FOREBODING.get(line.forecast.outlook, "")
        return Piece(
            line=line,
            cell=self._markup("cell.html", line=line, foreboding=foreboding),
            row=self._markup("row.html", line=line, labels=labels(line)),
            find=self._redact(haystack(line)),
            labels=self._redact("\n".join(labels(line))),
        )

    def fleet_parts(self, picture: FleetPicture) -> Parts:
        """What the page of the fleet says of all offices together."""
        lines = picture.offices
        conditions = Counter(line.standing.condition for line in lines)
        outlooks = Counter(line.forecast.outlook for line in lines)
        watched = telling.watched(lines)
        return {
            "title": telling.title(conditions),
            "trouble": self._markup("trouble.html", trouble=picture.trouble),
            "headline": self._markup("headline.html", **telling.headline(conditions)),
            "figures": self._markup("figures.html", **telling.figures(lines, outlooks)),
            "watch": self._markup("watch.html", watched=watched[:WATCHED_MAX], more=max(0, len(watched) - WATCHED_MAX)),
            **{f"count-{condition}": words.number(conditions[condition]) for condition in Condition},
            **{f"count-{outlook}": words.number(outlooks[outlook]) for outlook in Outlook},
        }

    def fleet_page(self, painting: Painting, search: Search, token: str, at: datetime) -> str:
        """The whole page of the fleet.

        Args:
            painting: all offices.
            search: which of them are wanted; the others are there, and hidden.
            token: how far the page has come, for the stream of changes.
            at: now.
        """
        pieces = tuple(painting.pieces.values())
        worst_first = sorted(pieces, key=lambda piece: telling.worst_first(piece.line))
        found = [piece.line.id for piece in worst_first if search.finds(piece.line)]
        all_of_them = words.offices(len(pieces))
        return self._environment.get_template("fleet.html").render(
            here="fleet",
            title=painting.parts["title"],
            parts=painting.parts,
            by_name=sorted(pieces, key=lambda piece: (piece.line.name.casefold(), piece.line.id)),
            worst_first=worst_first,
            hidden={piece.line.id for piece in pieces} - set(found),
            listed=set(found if search.all_rows else found[:ROWS_MAX]),
            rows_max=ROWS_MAX,
            unlisted=len(found) > ROWS_MAX and not search.all_rows,
            all_rows=search.query(all_rows=True),
            shown=len(found),
            nothing=not found,
            found=all_of_them if len(found) == len(pieces) else f"{len(found):,} of {all_of_them}",
            search=search,
            choices=label_choices(painting.picture.offices),
            conditions=WORST_FIRST,
            outlooks=tuple(outlook for outlook in Outlook if outlook is not Outlook.NONE),
            configured_at=painting.picture.configured_at,
            token=token,
            at=at,
        )

    def office_parts(self, picture: OfficePicture, trouble: str) -> Parts:
        """The sections of an office's page."""
        line, nights = picture.line, picture.nights
        known = [night for night in nights if night.last is not None]
        latest = known[-1].last.totals if known and known[-1].last else None
        earlier = known[-2].last.totals if known[1:] and known[-2].last else None
        pulls = picture.publications[:PULLS_MAX]
        told = f"{len(known)} of {len(nights)} have a snapshot."
        return {
            "title": self._redact(f"{line.name}: {line.standing.condition} · oddaemon"),
            "trouble": self._markup("trouble.html", trouble=trouble),
            "standing": self._markup(
                "office_standing.html",
                picture=picture,
                line=line,
                labels=labels(line),
                preferences=picture.preferences,
            ),
            "nights": self._markup(
                "office_nights.html",
                line=line,
                nights=nights,
                told=telling.nights_told(nights),
                shown=telling.outcomes(nights),
            ),
            "buckets": self._markup(
                "office_buckets.html",
                line=line,
                nights=nights,
                chart=bucket_chart(nights),
                buckets=words.BUCKETS,
                latest=latest and latest._asdict(),
                earlier=earlier and earlier._asdict(),
                days=[night.aging_date for night in known[-2:]],
                told=told,
            ),
            "pulls": self._markup(
                "office_pulls.html", line=line, pulls=pulls, readers={pull.reader.value for pull in pulls}
            ),
            "journal": self._markup("office_journal.html", line=line, journal=picture.journal),
        }

    def office_page(self, picture: OfficePicture, parts: Parts, token: str, at: datetime) -> str:
        """The whole page of an office; `parts` are of the same picture."""
        template = self._environment.get_template("office.html")
        return template.render(here="office", line=picture.line, parts=parts, token=token, at=at)

    def runbook_page(self, at: datetime) -> str:
        """What to do about what."""
        return self._environment.get_template("runbook.html").render(here="runbook", runbook=runbook(), at=at)

    def problem_page(self, headline: str, sentence: str, at: datetime) -> str:
        """What is shown where there is nothing to show."""
        template = self._environment.get_template("problem.html")
        return template.render(here="problem", headline=headline, sentence=sentence, at=at)

    def _markup(self, name: str, **values: object) -> Markup:
        return Markup(self._environment.get_template(name).render(values).strip())  # noqa: S704 - a template's own output, escaped there

    def _prose(self, text: str) -> Markup:
        """A sentence in which what stands between backticks is code."""
        parts = self._redact(text).split("`")
        marked = (
            Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
        )
        return Markup("").join(marked) if len(parts) % 2 else escape("`".join(parts))

    def _shown(self, value: object) -> object:
        """What every value of every template goes through."""
        if isinstance(value, str) and not isinstance(value, Markup):
            return self._redact(value)
        return value
