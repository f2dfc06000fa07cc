"""Converts the tables of a plan file to values. An unknown name or a wrong type is an error that names its place."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

_Value = TypeVar("_Value")


class PlanError(ValueError):
    """The plan cannot be read; the message names the place, never a key's value."""


def parse_table(model: type[_Value], table: Mapping[str, object], where: str) -> _Value:
    """Make a value of this dataclass from a table of its fields.

    Raises:
        PlanError: a name is unknown or missing, or a value has the wrong type.
    """
    if not is_dataclass(model):
        raise TypeError(f"{model.__name__} is not a dataclass.")
    names = {field.name for field in fields(model)}
    required = {field.name for field in fields(model) if field.default is MISSING and field.default_factory is MISSING}
    check_names(table, names, where)
    if missing := sorted(required - table.keys()):
        raise PlanError(f"{where}: {', '.join(missing)} must be given")
    try:
        return TypeAdapter(model).validate_python(dict(table))
    except ValidationError as error:
        problems = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        raise PlanError(f"{where}: {'; '.join(problems)}") from None


def check_names(table: Mapping[str, object], known: set[str], where: str) -> None:
    """Raise for the first unknown name in the table, with the nearest known one.

    Raises:
        PlanError: the table contains an unknown name.
    """
    for name in table:
        if name not in known:
            near = get_close_matches(name, sorted(known), 1)
            raise PlanError(f"{where}: unknown name {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
