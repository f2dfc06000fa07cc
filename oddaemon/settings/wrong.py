"""How a validator says what is wrong, in words of ours that reach the reader unchanged."""

from pydantic_core import PydanticCustomError

WRONG = "wrong"
"""The type of such an error among pydantic's own."""


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """An error for a validator to raise: what is wrong, and what to write instead. Neither may hold the value."""
    return PydanticCustomError(WRONG, "{message}", {"message": message, "hint": hint})
