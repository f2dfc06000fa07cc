"""Finds the line of each key of a TOML file, so that a problem can be found in a file of 500 offices.

`tomllib` does not report lines. This is a simple scan, sufficient for ordinary configurations; if it could be wrong
(multi-line strings), it reports no line.
"""

import re
from collections import Counter

Location = tuple[str | int, ...]
"""A path into a document: `("office", 2, "customer_key")`."""

_HEADER = re.compile(r"\s*(?P<brackets>\[\[?)\s*(?P<name>[\w.-]+)\s*\]{1,2}\s*(#.*)?", re.ASCII)
_KEY = re.compile(r"""\s*(?P<quote>["']?)(?P<name>[\w-]+)(?P=quote)\s*[=.]""", re.ASCII)


def find_line_numbers(text: str) -> dict[Location, int]:
    """Find the line of each table and key of `text`, counted from 1; empty if the scan could be wrong."""
    if '"""' in text or "'''" in text:
        return {}
    found: dict[Location, int] = {}
    arrays: Counter[str] = Counter()
    table: Location = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.fullmatch(line):
            first, *rest = header["name"].split(".")
            if header["brackets"] == "[[" and not rest:
                arrays[first] += 1
                found.setdefault((first,), number)
            table = (first, arrays[first] - 1, *rest) if first in arrays else (first, *rest)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, key["name"]), number)
    return found


def find_line(location: Location, numbers: dict[Location, int]) -> int | None:
    """Find the line of `location`, or of the nearest table around it."""
    for end in range(len(location), 0, -1):
        if location[:end] in numbers:
            return numbers[location[:end]]
    return None
