"""A string that must never be seen: not in a log, an error, a repr, a pickle, or the locals of a traceback."""

from hmac import compare_digest
from typing import Never, Self

MASK = "***"


class Secret:
    """A string that only `reveal()` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself. Pass it on at once: a local variable that holds it shows up in tracebacks."""
        return self._value

    def mask(self, text: str) -> str:
        """`text` with every occurrence of the secret masked."""
        return text.replace(self._value, MASK)

    def mask_bytes(self, body: bytes) -> bytes:
        """`body` with every occurrence of the secret in UTF-8 masked."""
        return body.replace(self._value.encode(), MASK.encode())

    def __repr__(self) -> str:
        return "Secret('…')"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Never:
        raise TypeError("a Secret is not pickled: read it again from where it is kept")
