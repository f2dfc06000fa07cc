"""An office's journal in sentences, for people: of an event's fields those that say why, and then the rest of them."""

from collections.abc import Mapping

from oddaemon.store.journal import Entry
from oddaemon.web.pictures import JournalLine

_WHY = ("message", "reason", "why", "error", "status")
"""Fields that are a clause of their own, in the order in which they are looked for."""
_UNTOLD = frozenset({"traceback", "exchange", "snapshot_id", "owner"})
"""Of no use here, or told elsewhere on the page."""


def journal_line(entry: Entry) -> JournalLine:
    """One entry as it is shown."""
    text = _asked(entry.fields) if "times" in entry.fields else _told(entry.fields)
    return JournalLine(entry.at, entry.level, entry.event, text)


def _asked(fields: Mapping[str, object]) -> str:
    kinds, failed = fields.get("kinds"), fields.get("failed")
    asked = [f"{name} {times}" for name, times in kinds.items()] if isinstance(kinds, dict) else []
    asked += [f"{name} again {times}" for name, times in failed.items()] if isinstance(failed, dict) else []
    return f"{fields['times']} requests without news ({', '.join(asked)}), {fields.get('seconds')} s in all."


def _told(fields: Mapping[str, object]) -> str:
    why = next((name for name in _WHY if fields.get(name)), None)
    rest = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in fields.items()
        if name != why and name not in _UNTOLD and value is not None and not isinstance(value, dict | list)
    ]
    clauses = [str(fields[why])] if why else []
    if rest:
        clauses.append(f"({', '.join(rest)})" if why else ", ".join(rest))
    return " ".join(clauses)
