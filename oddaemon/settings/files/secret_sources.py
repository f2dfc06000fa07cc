"""Reads keys from a file, from the environment, or from the configuration itself.

Under systemd, root owns the files and the daemon gets copies as credentials: a file that the daemon cannot read is
looked up among those. A key leaves this module only as a `Secret`, and no problem ever shows one.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from oddaemon.core.secret import Secret
from oddaemon.core.suggestions import find_nearest
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.values.database_url import SQLITE_PREFIX
from oddaemon.settings.values.invalid import get_texts, invalid
from oddaemon.settings.values.path import is_private, read_file, validate_path
from oddaemon.settings.values.secret import SecretCheck, looks_like_key

_BYTES_MAX = 4096
"""A key has 16 characters: a larger file is another file."""
_LENGTH_MAX = 256
_URLS = {"ping_url", "proxy_url"}
"""Secrets that are no keys."""
_INLINE_NAMES = {"database_url": "database"}
"""Of secrets that may also be something harmless, such as a path: the setting that holds either."""
_SPREADSHEET_NUMBER = re.compile(r"\d([.,]\d+)?E[+-]?\d+", re.ASCII | re.IGNORECASE)
_SYSTEMD_CREDENTIALS = "CREDENTIALS_DIRECTORY"


@cache
def get_source_names(name: str) -> tuple[str, str, str]:
    """The three settings that can hold the secret `name`: it itself, a file, and a variable."""
    return _INLINE_NAMES.get(name, name), f"{name}_file", f"{name}_env"


def find_secret(
    document: TomlDocument,
    location: Location,
    table: Mapping[str, Any],
    name: str,
    environment: Mapping[str, str],
    *,
    check: SecretCheck,
) -> Secret | None:
    """Find the secret `name` of the table at `location`, and check it.

    Returns:
        The secret; None if there is a problem, which was reported: a misspelled source is reported as an unknown key.
    """
    sources = get_source_names(name)
    match [source for source in sources if source in table]:
        case []:
            if not any(find_nearest(other, sources) for other in table):
                hint = f"set one of {', '.join(f'`{source}`' for source in sources)}"
                document.report(location, f"the {name.replace('_', ' ')} is missing", hint)
        case [source]:
            try:
                is_inline, value = source == sources[0], table[source]
                if is_inline and name not in _URLS and not isinstance(value, str):
                    document.inline_keys.append((*location, source))
                kind = "" if is_inline else source.removeprefix(name)
                return _read_source(document, value, kind, environment, check)
            except PydanticCustomError as error:
                shown_value = None if is_inline else value
                document.report((*location, source), *get_texts(error), shown_value)
        case names:
            message = f"more than one source of the {name.replace('_', ' ')}: {', '.join(names)}"
            document.report((*location, names[1]), message, "keep one of them")
    return None


def find_secrets(value: object) -> Iterator[Secret]:
    """Find every secret in settings, however nested. The path of a database is none."""
    match value:
        case Secret() if value.reveal().startswith(SQLITE_PREFIX):
            return
        case Secret():
            yield value
        case Mapping():
            yield from chain.from_iterable(map(find_secrets, value.values()))
        case list() | tuple() | set() | frozenset():
            yield from chain.from_iterable(map(find_secrets, value))
        case BaseModel():
            yield from find_secrets(dict(value))
        case _ if is_dataclass(value):
            yield from chain.from_iterable(find_secrets(getattr(value, field.name)) for field in fields(value))


def _read_source(
    document: TomlDocument, value: object, kind: str, environment: Mapping[str, str], check: SecretCheck
) -> Secret:
    match kind, value:
        case "", Secret():
            check(value.reveal())
            return value
        case "", str():
            return Secret(value)  # not hidden, so it is the harmless thing, which its table checks
        case "_file", str():
            return _read_secret_file(document, value, environment, check)
        case "_env", str():
            return _read_environment(value, environment, check)
    raise invalid("must be a string", "write it in quotes")


def _read_secret_file(document: TomlDocument, value: str, environment: Mapping[str, str], check: SecretCheck) -> Secret:
    if looks_like_key(value):
        raise invalid("looks like a key and not like a file name", "name the file that holds the key")
    if reason := validate_path(value):
        raise invalid(reason)
    path = document.directory / value
    document.diagnostics.files.add(path)
    try:
        return _read_key_file(path, environment, check)
    except OSError as error:
        unreadable = error
    credentials = _list_systemd_credentials(path, environment)
    for credential in credentials:
        try:
            return _read_key_file(credential, environment, check)
        except OSError:
            continue
        except PydanticCustomError as error:
            where = (
                f"systemd made its credential {credential.name} when the unit started; it is empty if there was no file"
            )
            raise invalid(get_texts(error)[0], where) from None
    if isinstance(unreadable, FileNotFoundError):
        message, hint = "no such file", f"looked for {path}"
    else:
        message, hint = f"cannot be read: {unreadable.strerror}", "the user that runs oddaemon must own the file"
    if credentials:
        hint = f"systemd has no credential {credentials[0].name} either: it passes a new key on at the next start"
    raise invalid(message, hint)


def _list_systemd_credentials(path: Path, environment: Mapping[str, str]) -> list[Path]:
    """List the names that systemd may give to its copy of the key at `path`.

    `LoadCredential=keys:/etc/oddaemon/keys` makes `keys_smile.key` of the file `keys/smile.key`; a file that is named
    alone becomes `smile.key`.
    """
    directory = environment.get(_SYSTEMD_CREDENTIALS)
    if not directory:
        return []
    return [Path(directory, f"{path.parent.name}_{path.name}"), Path(directory, path.name)]


def _read_key_file(path: Path, environment: Mapping[str, str], check: SecretCheck) -> Secret:
    # Checked before it is opened: a file that others may read is refused without reading it.
    _check_file(path, path.stat(), environment)
    try:
        secret = Secret(read_file(path, _BYTES_MAX)[0].decode("ascii").removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError:
        raise invalid(
            "contains characters that a key cannot have", "the file must hold the key in ASCII and nothing else"
        ) from None
    check(secret.reveal())
    return secret


def _check_file(path: Path, status: os.stat_result, environment: Mapping[str, str]) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise invalid("is a directory", "name the file that holds the key")
    if not stat.S_ISREG(status.st_mode):
        raise invalid("is not a regular file")
    if not is_private(status) and not _is_systemd_credential(path, environment):
        raise invalid(f"other users may read it (mode {stat.S_IMODE(status.st_mode):04o})", _advise_mode(path))
    if status.st_size > _BYTES_MAX:
        raise invalid(f"is too large for a key ({status.st_size} bytes)", "the file must hold the key and nothing else")


def _advise_mode(path: Path) -> str:
    """What can be done about the mode: nothing can change it on a read-only mount, such as a container's secrets."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return (
            "its mount is read-only, so chmod fails there; set the mode where it is mounted (a Docker secret: "
            "`mode: 0400` and `uid`; a Kubernetes volume: `defaultMode: 0440` and `fsGroup`), or at its origin"
        )
    return f"chmod 600 {path}"


def _is_systemd_credential(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether it is a systemd credential: those have an ACL for the unit's user, which shows as group permissions."""
    directory = environment.get(_SYSTEMD_CREDENTIALS)
    return bool(directory) and path.parent == Path(str(directory))


def _read_environment(name: str, environment: Mapping[str, str], check: SecretCheck) -> Secret:
    if looks_like_key(name):
        raise invalid(
            "looks like a key and not like the name of a variable", "name the environment variable that holds the key"
        )
    value = environment.get(name)
    if value is None:
        raise invalid("this environment variable is not set", "set it for the user or the unit that runs oddaemon")
    check(value)
    return Secret(value)


def check_key(value: str) -> None:
    """Check a key of Open Dental's.

    Raises:
        PydanticCustomError: It is something else.
    """
    if not value:
        raise invalid("the key is empty")
    if _SPREADSHEET_NUMBER.fullmatch(value):
        message = "a spreadsheet has turned the key into a number, and its last digits are lost"
        raise invalid(message, "format the column as text, and enter the key again from the developer portal")
    if value[0] in "'\"=":
        raise invalid("the key begins with a quote or an equals sign, as spreadsheets add it", "write the key alone")
    if value[0] == "#":
        raise invalid("a spreadsheet has written an error in place of the key", "enter the key again, as text")
    if "/" in value:
        raise invalid(
            "the key contains a slash",
            "the part before it is the developer key, which belongs in [api]; the part after it is the customer key",
        )
    if any(character.isspace() for character in value):
        raise invalid("the key contains white space", "remove everything but the key")
    if not (value.isascii() and value.isprintable()):
        raise invalid("the key contains characters that a key cannot have", "copy it again from the developer portal")
    if len(value) > _LENGTH_MAX:
        raise invalid(f"the key is longer than {_LENGTH_MAX} characters", "remove everything but the key")
