"""The error that a validator raises, with a message and a hint for the reader."""

from pydantic_core import PydanticCustomError

INVALID = "wrong"
"""The type of such an error among pydantic's own."""


def invalid(message: str, hint: str = "", form_text: tuple[str, str] | None = None) -> PydanticCustomError:
    """Make an error for a validator to raise.

    Args:
        message: What is wrong. No argument may hold the value.
        hint: What to write instead.
        form_text: Message and hint for a value that was typed into a cell or a prompt; None: the same.
    """
    context = {"message": message, "hint": hint, "typed": form_text or (message, hint)}
    return PydanticCustomError(INVALID, "{message}", context)


def get_texts(error: PydanticCustomError) -> tuple[str, str]:
    """The message and the hint of such an error."""
    context = error.context or {}
    return context["message"], context["hint"]
