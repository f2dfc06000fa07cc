"""The operator's own SQL for a past day: the day put in, and the same query asked for its count and sums."""

import re
from collections.abc import Sequence
from datetime import date

AS_OF_PLACEHOLDER = "{as_of}"
"""What stands in the operator's SQL for the day, and becomes `yyyy-mm-dd`."""
QUERY_LENGTH_MAX = 32_768
_SELECT = re.compile(r"SELECT\b", re.IGNORECASE)
_TEXT = r"""'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)|`[^`]*(?:`|\Z)"""
_COMMENT = r"(?:--(?=\s|\Z)|\#)[^\n]*|/\*(?![!+]).*?(?:\*/|\Z)"
_TOKEN = re.compile(rf"(?P<text>{_TEXT})|(?P<comment>{_COMMENT})|(?P<end>;)", re.DOTALL)


class InvalidQuery(ValueError):
    """SQL that cannot be used; the text says why and what to do."""


def prepare_query(query: str, as_of: date) -> str:
    """The query for a day, as the API takes it: one SELECT without comments, and without the semicolon behind it.

    Raises:
        WrongQueryError: It names no day, is not one SELECT, or is too long.
    """
    if len(query) > QUERY_LENGTH_MAX:
        raise InvalidQuery(f"The query has more than {QUERY_LENGTH_MAX:,} characters.")
    first, *more = [each.strip() for each in _split_statements(query) if each.strip()] or [""]
    if more:
        raise InvalidQuery(
            "The file holds several statements, and the API takes one: write it as one SELECT, and the day where a"
            " variable stood."
        )
    if AS_OF_PLACEHOLDER not in first:
        raise InvalidQuery(f"The query does not say where the day goes: write {AS_OF_PLACEHOLDER} there, in quotes.")
    if not _SELECT.match(first):
        raise InvalidQuery("The query must be a SELECT and begin with that word.")
    return first.replace(AS_OF_PLACEHOLDER, as_of.isoformat())


def make_count_query(query: str, money_columns: Sequence[str]) -> str:
    """The query that makes one row of the same result: how many rows it has, and the sum of each column in cents.

    Args:
        query: As `dated` gave it.
        money_columns: The columns, as its result names them.
    """
    sums = "".join(f",SUM(ROUND(`{name}`*100))" for name in money_columns)
    return f"SELECT COUNT(*){sums} FROM ({query}) counted"  # noqa: S608 - the operator's own SQL is its point


def _split_statements(query: str) -> list[str]:
    """Apart at each semicolon that stands in no quotes, and without comments, which the API refuses."""
    parts, start = [""], 0
    for token in _TOKEN.finditer(query):
        if token["text"]:
            continue
        parts[-1] += query[start : token.start()]
        start = token.end()
        if token["end"]:
            parts.append("")
        else:
            parts[-1] += " "
    parts[-1] += query[start:]
    return parts
