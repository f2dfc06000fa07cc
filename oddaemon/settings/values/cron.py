"""Validates cron expressions when the configuration is read, and not in the night when they are due.

APScheduler, which computes the times, has a parser too. It does not do here: it counts weekdays from Monday, refuses
`7`, `*/24` and `55/10`, accepts words that cron does not have (`last`), and hardly any of its messages name the field.
"""

import re
from dataclasses import dataclass

from oddaemon.settings.values.invalid import invalid

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _CronField:
    name: str
    minimum: int
    maximum: int
    names: tuple[str, ...] = ()

    def parse_number(self, text: str) -> int:
        if text in self.names:
            return self.minimum + self.names.index(text)
        if text.isdecimal() and len(text) <= len(str(self.maximum)) and self.minimum <= int(text) <= self.maximum:
            return int(text)
        raise invalid(f"the {self.name} must be from {self.minimum} to {self.maximum}, not {text}")

    def parse(self, text: str) -> set[int]:
        return set().union(*(self._parse_part(part) for part in text.split(",")))

    def normalize(self, text: str) -> str:
        """Replace names, and the ranges and steps that APScheduler refuses or interprets differently.

        A `*` that stands for several values is kept: the maintenance scheduler recognizes an interval by it.
        """
        return ",".join(self._normalize_part(part) for part in text.split(","))

    def _normalize_part(self, part: str) -> str:
        values = self._parse_part(part)
        return part if "*" in part and len(values) > 1 else ",".join(map(str, sorted(values)))

    def _parse_part(self, part: str) -> set[int]:
        match = _PART.fullmatch(part)
        if match is None or match["step"] in {"0", "00", "000"}:
            raise invalid(
                f"the {self.name} is not valid: {part or 'it is empty'}", "write a number, *, 1-5, */2 or 1,3"
            )
        first = self.minimum if match["first"] is None else self.parse_number(match["first"])
        last = self.maximum if match["first"] is None or (match["step"] and not match["last"]) else first
        if match["last"] is not None:
            last = self.parse_number(match["last"])
        if first > last:
            raise invalid(f"the range of the {self.name} is reversed: {part}")
        return set(range(first, last + 1, int(match["step"] or 1)))


_FIELDS = (
    _CronField("minute", 0, 59),
    _CronField("hour", 0, 23),
    _CronField("day of month", 1, 31),
    _CronField("month", 1, 12, _MONTHS),
)
_DAY_OF_WEEK = _CronField("day of week", 0, 7, _DAYS)


def normalize_cron(expression: str) -> str:
    """Normalize a cron expression of five fields so that APScheduler interprets it as cron does; empty: no job.

    Weekdays become names, because 0 is Sunday for cron and Monday for APScheduler.

    Raises:
        PydanticCustomError: It is not a cron expression.
    """
    fields = expression.casefold().split()
    if not fields:
        return ""
    if len(fields) != len(_FIELDS) + 1:
        raise invalid(
            f"a cron expression has 5 fields, but this one has {len(fields)}",
            'minute, hour, day of month, month, day of week: "15 3 * * *"',
        )
    normalized = [field.normalize(text) for field, text in zip(_FIELDS, fields[:-1], strict=True)]
    days = {day % len(_DAYS) for day in _DAY_OF_WEEK.parse(fields[-1])}
    weekdays = "*" if len(days) == len(_DAYS) else ",".join(_DAYS[day] for day in sorted(days))
    return " ".join([*normalized, weekdays])
