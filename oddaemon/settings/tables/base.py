"""The kinds of values that tables of a configuration are made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from oddaemon.settings.values.url import normalize_base_url

_MONTH_SECONDS = 2_678_400.0

Seconds = Annotated[float, Field(gt=0, le=_MONTH_SECONDS, allow_inf_nan=False)]
"""An interval; fractions let a test or a demo live through a night in a second."""
SecondsOrZero = Annotated[float, Field(ge=0, le=_MONTH_SECONDS, allow_inf_nan=False)]

BaseUrl = Annotated[str, AfterValidator(normalize_base_url)]


class Table(BaseModel):
    """A table that knows all of its keys, takes no value for another type's, and does not change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        validate_default=True,
    )
