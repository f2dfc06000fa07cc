"""The line at which each key of a TOML file stands, so that a problem can be found in a file of 500 offices.

`tomllib` does not tell. This is a scan by eye, good enough for how configurations are written; where it might be wrong
(strings over several lines) it says nothing.
"""

import re
from collections import Counter

Location = tuple[str | int, ...]
"""A path into a document: `("office", 2, "customer_key")`."""

_HEADER = re.compile(r"\s*(?P<brackets>\[\[?)\s*(?P<name>[\w.-]+)\s*\]{1,2}\s*(#.*)?", re.ASCII)
_KEY = re.compile(r"""\s*(?P<quote>["']?)(?P<name>[\w-]+)(?P=quote)\s*[=.]""", re.ASCII)


def find_line_numbers(text: str) -> dict[Location, int]:
    """Where each table and key of `text` begins, counted from 1; empty if a scan by eye could be wrong."""
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
    """The line of `location`, or of the nearest table around it."""
    for end in range(len(location), 0, -1):
        if location[:end] in numbers:
            return numbers[location[:end]]
    return None
