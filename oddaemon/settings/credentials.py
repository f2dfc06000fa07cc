"""Where keys come from: a file, the environment, or the configuration itself.

A key leaves this module as a `Secret` only, and no problem ever shows one.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddaemon.settings.document import Document
from oddaemon.settings.lines import Location
from oddaemon.settings.paths import path_flaw, read_file
from oddaemon.settings.problem import Problem, nearest
from oddaemon.settings.secret import Secret, looks_like_key

_BYTES_MAX = 4096
"""A key has 16 characters; more than this is some other file."""
_LENGTH_MAX = 256
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SYSTEMD_CREDENTIALS = "CREDENTIALS_DIRECTORY"


@dataclass(frozen=True, slots=True)
class _Flaw:
    message: str
    hint: str = ""


def sources_of(name: str) -> tuple[str, str, str]:
    """The three keys that can hold the secret `name`."""
    return name, f"{name}_file", f"{name}_env"


def find_key(
    document: Document, location: Location, table: Mapping[str, Any], name: str, environment: Mapping[str, str]
) -> Secret | Problem | None:
    """The secret `name` of the table at `location`.

    Returns:
        The secret; the problem that there is none; or None if a misspelt source, which is reported as an unknown key,
        is the reason.
    """
    sources = sources_of(name)
    match [source for source in sources if source in table]:
        case []:
            if any(nearest(other, sources) for other in table):
                return None
            hint = f"write one of {', '.join(f'`{source}`' for source in sources)}"
            return document.problem(location, f"no {name.replace('_', ' ')}", hint)
        case [source]:
            found = _read(document, table[source], source.removeprefix(name), environment)
            if isinstance(found, Secret):
                return found
            shown = None if source == name else table[source]
            return document.problem((*location, source), found.message, found.hint, shown)
        case several:
            message = f"more than one source of the {name.replace('_', ' ')}: {', '.join(several)}"
            return document.problem((*location, several[1]), message, "keep one")


def _read(document: Document, value: object, kind: str, environment: Mapping[str, str]) -> Secret | _Flaw:
    match kind, value:
        case "", Secret():
            return _checked(value.reveal())
        case "_file", str():
            return _from_file(document, value, environment)
        case "_env", str():
            return _from_environment(value, environment)
    return _Flaw("must be a string", "write it in quotes")


def _from_file(document: Document, value: str, environment: Mapping[str, str]) -> Secret | _Flaw:
    if looks_like_key(value):
        return _Flaw("looks like a key, not like a file's name", "name a file that holds the key")
    if flaw := path_flaw(value):
        return _Flaw(flaw)
    path = document.directory / value
    try:
        # Looked at before it is opened: what others may read is refused unread, whatever it is.
        return _file_flaw(path, path.stat(), environment) or _checked(_one_line(path))
    except FileNotFoundError:
        return _Flaw("no such file", f"looked for {path}")
    except OSError as error:
        return _Flaw(f"cannot be read: {error.strerror}", "the user that runs oddaemon must own the file")
    except UnicodeDecodeError:
        return _Flaw("holds characters that no key has", "the file holds the key in plain ASCII and nothing else")


def _file_flaw(path: Path, status: os.stat_result, environment: Mapping[str, str]) -> _Flaw | None:
    if stat.S_ISDIR(status.st_mode):
        return _Flaw("is a directory", "name the file in it that holds the key")
    if not stat.S_ISREG(status.st_mode):
        return _Flaw("is not a regular file")
    if status.st_mode & _OTHERS and not _is_kept_by_systemd(path, environment):
        return _Flaw(f"other users may read it (mode {stat.S_IMODE(status.st_mode):04o})", f"chmod 600 {path}")
    if status.st_size > _BYTES_MAX:
        return _Flaw(f"too big for a key ({status.st_size} bytes)", "the file holds the key and nothing else")
    return None


def _one_line(path: Path) -> str:
    return read_file(path, _BYTES_MAX)[0].decode("ascii").removesuffix("\n").removesuffix("\r")


def _is_kept_by_systemd(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether it is one of systemd's credentials: an ACL opens those to the unit's user, and shows as a group's."""
    directory = environment.get(_SYSTEMD_CREDENTIALS)
    return bool(directory) and path.parent == Path(str(directory))


def _from_environment(name: str, environment: Mapping[str, str]) -> Secret | _Flaw:
    if looks_like_key(name):
        return _Flaw("looks like a key, not like a variable's name", "name the environment variable that holds the key")
    value = environment.get(name)
    if value is None:
        return _Flaw("this environment variable is not set", "set it for the user or unit that runs oddaemon")
    return _checked(value)


def _checked(value: str) -> Secret | _Flaw:
    if not value:
        return _Flaw("the key is empty")
    if "/" in value:
        return _Flaw(
            "the key contains a slash",
            "the part before it is the developer key, which belongs in [api]; the part after it is the customer key",
        )
    if any(character.isspace() for character in value):
        return _Flaw("the key contains white space", "nothing but the key may stand there")
    if not (value.isascii() and value.isprintable()):
        return _Flaw("the key contains characters that no key has", "copy it again from the developer portal")
    if len(value) > _LENGTH_MAX:
        return _Flaw(f"the key is longer than {_LENGTH_MAX} characters", "nothing but the key may stand there")
    return Secret(value)
