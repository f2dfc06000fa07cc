"""Finds the known name that a misspelled one probably means."""

from collections.abc import Iterable
from difflib import get_close_matches

_WORD_CHARACTERS_MAX = 60
"""Longer words match no known name, and comparing them is slow."""


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known name that `word` probably means; None: it resembles none."""
    if len(word) > _WORD_CHARACTERS_MAX:
        return None
    by_normalized = {_normalize_name(name): name for name in known}
    matches = get_close_matches(_normalize_name(word), by_normalized, n=1)
    return by_normalized[matches[0]] if matches else None


def suggest_name(word: str, known: Iterable[str]) -> str:
    """Format a hint with the nearest known name; empty if there is none."""
    name = find_nearest(word, known)
    return f"did you mean `{name}`?" if name else ""


def _normalize_name(word: str) -> str:
    return word.casefold().replace("-", "_")
