"""The operator's own SQL for a past day: the day put in, and the same query asked for its count and sums."""

import re
from collections.abc import Iterator, Sequence
from datetime import date

AS_OF = "{as_of}"
"""What stands in the operator's SQL for the day, and becomes `yyyy-mm-dd`."""
LENGTH_MAX = 32_768
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)


class WrongQueryError(ValueError):
    """SQL that cannot be used; the text says why and what to do."""


def dated(query: str, as_of: date) -> str:
    """The query for a day.

    Raises:
        WrongQueryError: It names no day, does not end with a SELECT, or is too long.
    """
    if AS_OF not in query:
        raise WrongQueryError(f"The query does not say where the day goes: write {AS_OF} there, in quotes.")
    if len(query) > LENGTH_MAX:
        raise WrongQueryError(f"The query has more than {LENGTH_MAX:,} characters.")
    whole = query.replace(AS_OF, as_of.isoformat())
    _split(whole)
    return whole


def counted(query: str, money: Sequence[str]) -> str:
    """The query that makes one row of the same result: how many rows it has, and the sum of each column in cents.

    Args:
        query: As `dated` gave it.
        money: The columns, as its result names them.
    """
    before, select = _split(query)
    sums = "".join(f",SUM(ROUND(`{name}`*100))" for name in money)
    return f"{before}SELECT COUNT(*){sums} FROM ({select}) counted"  # noqa: S608 - the operator's own SQL is its point


def _split(query: str) -> tuple[str, str]:
    """What stands before the last statement, and that."""
    statements = [each for each in _statements(query) if each.strip()]
    if not statements or not _SELECT.match(statements[-1]):
        raise WrongQueryError("The query's last statement must be a SELECT; nothing may stand before its first word.")
    return "".join(f"{each};\n" for each in statements[:-1]), statements[-1].strip()


def _statements(query: str) -> Iterator[str]:
    """Apart at each semicolon that stands in no quotes."""
    start, quote = 0, ""
    for at, character in enumerate(query):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == ";":
            yield query[start:at]
            start = at + 1
    yield query[start:]
