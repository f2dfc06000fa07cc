"""Prepares the operator's own SQL for a past day, and the query for its count and sums."""

import re
from collections.abc import Sequence
from datetime import date

AS_OF_PLACEHOLDER = "{as_of}"
"""The placeholder of the day in the operator's SQL; it becomes `yyyy-mm-dd`."""
QUERY_LENGTH_MAX = 32_768
_SELECT = re.compile(r"SELECT\b", re.IGNORECASE)
_TEXT = r"""'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)|`[^`]*(?:`|\Z)"""
_COMMENT = r"(?:--(?=\s|\Z)|\#)[^\n]*|/\*(?![!+]).*?(?:\*/|\Z)"
_TOKEN = re.compile(rf"(?P<text>{_TEXT})|(?P<comment>{_COMMENT})|(?P<end>;)", re.DOTALL)


class InvalidQuery(ValueError):
    """SQL that cannot be used; the text says why and what to do."""


def prepare_query(query: str, as_of: date) -> str:
    """Prepare the query for a day as the API accepts it: one SELECT without comments and without a final semicolon.

    Raises:
        InvalidQuery: It names no day, is not one SELECT, or is too long.
    """
    if len(query) > QUERY_LENGTH_MAX:
        raise InvalidQuery(f"The query is longer than {QUERY_LENGTH_MAX:,} characters.")
    first, *more = [each.strip() for each in _split_statements(query) if each.strip()] or [""]
    if more:
        raise InvalidQuery(
            "The file contains several statements, but the API accepts one. Write one SELECT, with the day in place of"
            " variables."
        )
    if AS_OF_PLACEHOLDER not in first:
        raise InvalidQuery(f"The query does not contain the day. Write {AS_OF_PLACEHOLDER} in quotes in its place.")
    if not _SELECT.match(first):
        raise InvalidQuery("The query must begin with SELECT.")
    return first.replace(AS_OF_PLACEHOLDER, as_of.isoformat())


def make_count_query(query: str, money_columns: Sequence[str]) -> str:
    """Make the query for one row: the number of rows of the result, and the sum of each column in cents.

    Args:
        query: As `prepare_query` returned it.
        money_columns: The columns, as the result names them.
    """
    sums = "".join(f",SUM(ROUND(`{name}`*100))" for name in money_columns)
    return f"SELECT COUNT(*){sums} FROM ({query}) counted"  # noqa: S608 - the operator's own SQL is its point


def _split_statements(query: str) -> list[str]:
    """Split at each semicolon outside quotes, and remove comments, which the API refuses."""
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
