"""How a validator says what is wrong, in words of ours that reach the reader unchanged."""

from pydantic_core import PydanticCustomError

INVALID = "wrong"
"""The type of such an error among pydantic's own."""


def invalid(message: str, hint: str = "", form_text: tuple[str, str] | None = None) -> PydanticCustomError:
    """An error for a validator to raise.

    Args:
        message: What is wrong. Neither this nor anything else here may hold the value.
        hint: What to write instead.
        form_text: The same two for whoever typed the value into a cell or as an answer; None: they need no other words.
    """
    context = {"message": message, "hint": hint, "typed": form_text or (message, hint)}
    return PydanticCustomError(INVALID, "{message}", context)
