"""Types of values that the tables of a configuration share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from oddaemon.settings.values.url import normalize_base_url

_MONTH_SECONDS = 2_678_400.0

Seconds = Annotated[float, Field(gt=0, le=_MONTH_SECONDS, allow_inf_nan=False)]
"""An interval; fractions let a test or a demo run a night in a second."""
SecondsOrZero = Annotated[float, Field(ge=0, le=_MONTH_SECONDS, allow_inf_nan=False)]

BaseUrl = Annotated[str, AfterValidator(normalize_base_url)]


class Table(BaseModel):
    """A table that refuses unknown keys, converts no types, and is immutable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        validate_default=True,
    )
