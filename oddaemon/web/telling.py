"""What the pages say in words and numbers of many offices or many nights together. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from statistics import median

from oddaemon.core.forecast import Outlook
from oddaemon.core.model import Condition, Owner
from oddaemon.core.nights import Night, Outcome
from oddaemon.core.standing import ACTORS, WORST_FIRST
from oddaemon.web import words
from oddaemon.web.pictures import OfficeLine

_BEST_FIRST = (*(each for each in reversed(WORST_FIRST) if each is not Condition.PAUSED), Condition.PAUSED)
_MISSING_OUT = (Outlook.WILL_MISS, Outlook.AT_RISK)


def watched(lines: Iterable[OfficeLine]) -> list[OfficeLine]:
    """The offices that will miss their hour or may, the most urgent first."""
    return sorted((line for line in lines if line.forecast.outlook in _MISSING_OUT), key=_urgency)


def worst_first(line: OfficeLine) -> tuple[int, str, str]:
    """Sorts offices by how much they need to be looked at."""
    return WORST_FIRST.index(line.standing.condition), line.name.casefold(), line.id


def _urgency(line: OfficeLine) -> tuple[int, float, str]:
    late_at = line.standing.late_at
    return _MISSING_OUT.index(line.forecast.outlook), late_at.timestamp() if late_at else 0.0, line.id


def title(conditions: Counter[Condition]) -> str:
    """Of the page of the fleet."""
    awake = conditions.total() - conditions[Condition.PAUSED]
    return f"{conditions[Condition.FRESH]} of {awake} fresh · oddaemon"


def headline(conditions: Counter[Condition]) -> dict[str, object]:
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
        sentence = f"{fresh:,} of {words.offices(awake)} {'is' if fresh == 1 else 'are'} fresh"
    told = [condition for condition in WORST_FIRST if conditions[condition]]
    slices, before = [], 0
    for condition in filter(conditions.__getitem__, _BEST_FIRST):
        slices.append({"condition": condition.value, "before": before, "count": conditions[condition]})
        before += conditions[condition]
    spread = ", ".join(f"{conditions[condition]:,} {condition}" for condition in told)
    return {"headline": sentence, "total": total, "spread": spread, "slices": slices}


def figures(lines: Iterable[OfficeLine], outlooks: Counter[Outlook]) -> dict[str, object]:
    """How the last nights went against their hours, what is expected, and who must act."""
    lines = tuple(lines)
    margins = [line.early_by for line in lines if line.early_by is not None]
    owners = Counter(line.standing.owner for line in lines if line.standing.owner is not None)
    usual = timedelta(seconds=median(each.total_seconds() for each in margins)) if margins else timedelta()
    return {
        "timed": len(margins),
        "in_time": sum(each >= timedelta() for each in margins),
        "median": words.margin(usual) if usual > timedelta() else "",
        "will_miss": outlooks[Outlook.WILL_MISS],
        "at_risk": outlooks[Outlook.AT_RISK],
        "missed": outlooks[Outlook.MISSED],
        "acting": owners.total(),
        "actors": ", ".join(f"{ACTORS[owner]}: {owners[owner]:,}" for owner in Owner if owners[owner]),
    }


def outcomes(nights: Sequence[Night]) -> list[Outcome]:
    """Those that occur."""
    counted = Counter(night.outcome for night in nights)
    return [outcome for outcome in Outcome if counted[outcome]]


def nights_told(nights: Sequence[Night]) -> str:
    """How many nights had which outcome."""
    counted = Counter(night.outcome for night in nights)
    return ", ".join(f"{counted[outcome]} {words.OUTCOMES[outcome]}" for outcome in Outcome if counted[outcome])


def change(cents: int, since: date, until: date) -> str:
    """From one published night to the next: that is not the night before where some brought no snapshot."""
    span = "overnight" if until - since == timedelta(days=1) else f"since {words.day(since)}"
    return f"{'+' if cents > 0 else ''}{words.dollars(cents) if cents else 'unchanged'} {span}"
