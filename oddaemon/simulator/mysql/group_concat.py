"""MySQL's `GROUP_CONCAT` for SQLite versions without ORDER BY inside an aggregate."""

from oddaemon.simulator.mysql.functions import Value, to_text


class GroupConcat:
    """`GROUP_CONCAT`: collects, sorts at the end, joins, and silently cuts at a number of bytes.

    Args:
        bytes_max: The server's `group_concat_max_len`.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._items: list[tuple[str, tuple[Value, ...]]] = []
        self._separator = ","
        self._distinct = False
        self._directions = ""

    def step(self, separator: str, distinct: int, directions: str, value: Value, *keys: Value) -> None:
        """Add one row. `directions` has one `a` or `d` for each sort key."""
        written = to_text(value)
        if written is None:
            return
        self._separator, self._distinct, self._directions = separator, bool(distinct), directions
        self._items.append((written, keys))

    def finalize(self) -> str | None:
        """The joined text; None if no row had a value."""
        if not self._items:
            return None
        for place in reversed(range(len(self._directions))):
            self._items.sort(key=lambda item: _sort_key(item[1][place]), reverse=self._directions[place] == "d")
        values = [value for value, _ in self._items]
        if self._distinct:
            values = list({value.casefold(): value for value in reversed(values)}.values())[::-1]
        return self._separator.join(values).encode()[: self._bytes_max].decode(errors="ignore")


def _sort_key(value: Value) -> tuple[int, int | float | str]:
    match value:
        case None:
            return 0, 0
        case str():
            return 2, value.casefold()
        case _:
            return 1, value
