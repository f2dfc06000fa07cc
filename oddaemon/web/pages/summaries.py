"""What the pages say in words and numbers of many offices or many nights together. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from statistics import median

from oddaemon.core.model import Condition, Owner
from oddaemon.core.office.status import OWNER_SHORT_NAMES, WORST_FIRST
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.core.reporting.formatting import format_count
from oddaemon.core.reporting.night_history import Night, NightOutcome
from oddaemon.web.pages import formatting
from oddaemon.web.pages.view_models import OfficeView

_BEST_FIRST = (*(each for each in reversed(WORST_FIRST) if each is not Condition.PAUSED), Condition.PAUSED)
_AT_RISK_OUTLOOKS = (Outlook.WILL_MISS, Outlook.AT_RISK)


def list_at_risk(offices: Iterable[OfficeView]) -> list[OfficeView]:
    """The offices that will or may miss their deadline, most urgent first."""
    return sorted((office for office in offices if office.forecast.outlook in _AT_RISK_OUTLOOKS), key=_get_urgency_key)


def get_severity_key(office: OfficeView) -> tuple[int, str, str]:
    """Sort key: the offices that most need attention first."""
    return WORST_FIRST.index(office.status.condition), office.name.casefold(), office.id


def _get_urgency_key(office: OfficeView) -> tuple[int, float, str]:
    late_at = office.status.late_at
    return _AT_RISK_OUTLOOKS.index(office.forecast.outlook), late_at.timestamp() if late_at else 0.0, office.id


def format_title(conditions: Counter[Condition]) -> str:
    """The title of the fleet page."""
    awake = conditions.total() - conditions[Condition.PAUSED]
    return f"{conditions[Condition.FRESH]} of {awake} fresh · oddaemon"


def summarize_conditions(conditions: Counter[Condition]) -> dict[str, object]:
    """The fleet in a sentence, in a list, and as a bar."""
    total = conditions.total()
    awake, fresh = total - conditions[Condition.PAUSED], conditions[Condition.FRESH]
    if not total:
        sentence = "No office is configured yet"
    elif not awake:
        sentence = "Every office is paused"
    elif fresh == awake:
        sentence = "The one office is fresh" if awake == 1 else f"All {awake:,} offices are fresh"
    else:
        sentence = f"{fresh:,} of {format_count(awake, 'office')} {'is' if fresh == 1 else 'are'} fresh"
    present = [condition for condition in WORST_FIRST if conditions[condition]]
    slices, offset = [], 0
    for condition in filter(conditions.__getitem__, _BEST_FIRST):
        slices.append({"condition": condition.value, "offset": offset, "count": conditions[condition]})
        offset += conditions[condition]
    spread = ", ".join(f"{conditions[condition]:,} {condition}" for condition in present)
    return {"headline": sentence, "total": total, "spread": spread, "slices": slices}


def compute_figures(offices: Iterable[OfficeView], outlooks: Counter[Outlook]) -> dict[str, object]:
    """Margins of the last night, forecasts, and who must act."""
    offices = tuple(offices)
    margins = [office.early_by for office in offices if office.early_by is not None]
    owners = Counter(office.status.owner for office in offices if office.status.owner is not None)
    usual = timedelta(seconds=median(each.total_seconds() for each in margins)) if margins else timedelta()
    return {
        "timed": len(margins),
        "in_time": sum(each >= timedelta() for each in margins),
        "median": formatting.format_margin(usual) if usual > timedelta() else "",
        "will_miss": outlooks[Outlook.WILL_MISS],
        "at_risk": outlooks[Outlook.AT_RISK],
        "missed": outlooks[Outlook.MISSED],
        "acting": owners.total(),
        "actors": ", ".join(f"{OWNER_SHORT_NAMES[owner]}: {owners[owner]:,}" for owner in Owner if owners[owner]),
    }


def count_outcomes(nights: Sequence[Night]) -> dict[NightOutcome, int]:
    """The outcomes that occur, with their number of nights."""
    counts = Counter(night.outcome for night in nights)
    return {outcome: counts[outcome] for outcome in NightOutcome if counts[outcome]}


def format_change(cents: int, since: date, until: date) -> str:
    """The change between two published nights, which are not always consecutive."""
    span = "overnight" if until - since == timedelta(days=1) else f"since {formatting.format_day(since)}"
    return f"{'+' if cents > 0 else ''}{formatting.format_dollars(cents) if cents else 'unchanged'} {span}"
