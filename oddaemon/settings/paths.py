"""Paths as they are written in a configuration: relative to the file that names them."""

from pathlib import Path

from pydantic import ValidationInfo

from oddaemon.settings.wrong import wrong


def path_flaw(value: str) -> str:
    """Why `value` cannot be a path; empty if it can."""
    if not value:
        return "must not be empty"
    if not value.isprintable():
        return "contains control characters"
    if value.startswith("~"):
        return "`~` is not expanded: write the whole path"
    return ""


def absolute(value: object, info: ValidationInfo) -> Path:
    """`value` as an absolute path, seen from the directory of the file that names it.

    Raises:
        PydanticCustomError: It is no path.
    """
    if not isinstance(value, str | Path):
        raise wrong("must be a string", "write it in quotes")
    if flaw := path_flaw(str(value)):
        raise wrong(flaw)
    directory: Path = (info.context or {}).get("directory", Path())
    return (directory / value).absolute()
