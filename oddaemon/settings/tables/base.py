"""What the tables of a configuration share: types of values, and how one is read with its secrets."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.pydantic_errors import report_validation_error
from oddaemon.settings.files.secret_sources import find_secret, get_source_names
from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.path import to_absolute_path
from oddaemon.settings.values.secret import SecretCheck
from oddaemon.settings.values.url import normalize_base_url

_MONTH_SECONDS = 2_678_400.0

Seconds = Annotated[float, Field(gt=0, le=_MONTH_SECONDS, allow_inf_nan=False)]
"""An interval; fractions let a test or a demo run a night in a second."""
SecondsOrZero = Annotated[float, Field(ge=0, le=_MONTH_SECONDS, allow_inf_nan=False)]

BaseUrl = Annotated[str, AfterValidator(normalize_base_url)]
AbsolutePath = Annotated[Path, BeforeValidator(to_absolute_path)]
T = TypeVar("T", bound="Table")


def matches(pattern: str, message: str, hint: str) -> AfterValidator:
    """Require a string that matches `pattern` as a whole; message and hint as for `invalid`."""
    compiled = re.compile(pattern, re.ASCII)

    def require_match(text: str) -> str:
        if not compiled.fullmatch(text):
            raise invalid(message, hint)
        return text

    return AfterValidator(require_match)


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
    secrets: ClassVar[Mapping[str, SecretCheck]] = {}
    """The fields that have three possible sources in a file, each with the check of its value."""

    @classmethod
    @cache
    def list_keys(cls) -> frozenset[str]:
        """The keys that the table may have in a file."""
        plain = cls.model_fields.keys() - cls.secrets.keys()
        return frozenset({*plain, *(key for name in cls.secrets for key in get_source_names(name))})


def read_table(
    document: TomlDocument,
    location: Location,
    written: Mapping[str, Any],
    model: type[T],
    environment: Mapping[str, str],
) -> tuple[T | None, dict[str, Secret]]:
    """Find the secrets of a table in their sources, and check the table.

    Returns:
        The table, or None if it has problems, which were reported; and each secret that was found. One that was not
        is empty in the table.
    """
    values, found, sources_used = dict(written), dict[str, Secret](), dict[str, tuple[str, object]]()
    for name, check in model.secrets.items():
        known = get_source_names(name)
        if name in written and name not in known:
            document.report((*location, name), "unknown key", f"write `{known[0]}`")
            del values[name]
        sources = [source for source in known if source in written]
        if not (sources or model.model_fields[name].is_required()):
            continue
        secret = find_secret(document, location, written, name, environment, check=check)
        if secret is not None:
            found[name] = secret
        for source in sources:
            sources_used[name] = source, written[source]
            del values[source]
        values[name] = secret or Secret("")
    try:
        return model.model_validate(values, context={"directory": document.directory}), found
    except ValidationError as error:
        report_validation_error(document, location, error, model.list_keys(), sources_used)
        return None, found
