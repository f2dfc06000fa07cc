"""How a validator says what is wrong, in words of ours that reach the reader unchanged."""

from pydantic_core import PydanticCustomError

WRONG = "wrong"
"""The type of such an error among pydantic's own."""


def wrong(message: str, hint: str = "", typed: tuple[str, str] | None = None) -> PydanticCustomError:
    """An error for a validator to raise.

    Args:
        message: What is wrong. Neither this nor anything else here may hold the value.
        hint: What to write instead.
        typed: The same two for whoever typed the value into a cell or as an answer; None: they need no other words.
    """
    context = {"message": message, "hint": hint, "typed": typed or (message, hint)}
    return PydanticCustomError(WRONG, "{message}", context)
