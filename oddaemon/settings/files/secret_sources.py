"""Reads keys from a file, from the environment, or from the configuration itself.

Under systemd, root owns the files and the daemon gets copies as credentials: a file that the daemon cannot read is
looked up among those. A key leaves this module only as a `Secret`, and no problem ever shows one.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Problem
from oddaemon.settings.values.path import is_private, read_file, validate_path
from oddaemon.settings.values.secret import InvalidSecret, SecretCheck, looks_like_key
from oddaemon.settings.values.suggestions import find_nearest

_BYTES_MAX = 4096
"""A key has 16 characters: a larger file is another file."""
_LENGTH_MAX = 256
_SYSTEMD_CREDENTIALS = "CREDENTIALS_DIRECTORY"


def get_source_names(name: str) -> tuple[str, str, str]:
    """The three settings that can hold the secret `name`."""
    return name, f"{name}_file", f"{name}_env"


def find_secret(
    document: TomlDocument,
    location: Location,
    table: Mapping[str, Any],
    name: str,
    environment: Mapping[str, str],
    *,
    check: SecretCheck | None = None,
) -> Secret | Problem | None:
    """Find the secret `name` of the table at `location`. `check` validates it; None: as an Open Dental key.

    Returns:
        The secret; or the problem; or None if the cause is a misspelled source, which is reported as an unknown key.
    """
    sources = get_source_names(name)
    match [source for source in sources if source in table]:
        case []:
            if any(find_nearest(other, sources) for other in table):
                return None
            hint = f"set one of {', '.join(f'`{source}`' for source in sources)}"
            return document.make_problem(location, f"the {name.replace('_', ' ')} is missing", hint)
        case [source]:
            found = _read_source(document, table[source], source.removeprefix(name), environment, check or _check_key)
            if isinstance(found, Secret):
                return found
            shown_value = None if source == name else table[source]
            return document.make_problem((*location, source), found.message, found.hint, shown_value)
        case names:
            message = f"more than one source of the {name.replace('_', ' ')}: {', '.join(names)}"
            return document.make_problem((*location, names[1]), message, "keep one of them")


def list_secret_files(document: TomlDocument) -> Iterator[Path]:
    """List the files that hold the document's keys, whether they exist or not."""
    api, offices, sinks = (document.table.get(name) for name in ("api", "office", "sink"))
    tables = [
        ("developer_key_file", api),
        *(("customer_key_file", each) for each in _to_list(offices)),
        *((name, each) for each in _to_list(sinks) for name in ("secret_file", "dsn_file")),
        ("ping_url_file", document.table.get("alerts")),
    ]
    for name, table in tables:
        value = table.get(name) if isinstance(table, dict) else None
        if isinstance(value, str) and not validate_path(value):
            yield document.directory / value


def _to_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _read_source(
    document: TomlDocument, value: object, kind: str, environment: Mapping[str, str], check: SecretCheck
) -> Secret | InvalidSecret:
    match kind, value:
        case "", Secret():
            return check(value.reveal())
        case "_file", str():
            return _read_secret_file(document, value, environment, check)
        case "_env", str():
            return _read_environment(value, environment, check)
    return InvalidSecret("must be a string", "write it in quotes")


def _read_secret_file(
    document: TomlDocument, value: str, environment: Mapping[str, str], check: SecretCheck
) -> Secret | InvalidSecret:
    if looks_like_key(value):
        return InvalidSecret("looks like a key and not like a file name", "name the file that holds the key")
    if reason := validate_path(value):
        return InvalidSecret(reason)
    path = document.directory / value
    found = _read_key_file(path, environment, check)
    if not isinstance(found, OSError):
        return found
    credentials = _list_systemd_credentials(path, environment)
    for credential in credentials:
        copy = _read_key_file(credential, environment, check)
        if isinstance(copy, InvalidSecret):
            where = (
                f"systemd made its credential {credential.name} when the unit started; it is empty if there was no file"
            )
            return InvalidSecret(copy.message, where)
        if isinstance(copy, Secret):
            return copy
    if isinstance(found, FileNotFoundError):
        message, hint = "no such file", f"looked for {path}"
    else:
        message, hint = f"cannot be read: {found.strerror}", "the user that runs oddaemon must own the file"
    if credentials:
        hint = f"systemd has no credential {credentials[0].name} either: it passes a new key on at the next start"
    return InvalidSecret(message, hint)


def _list_systemd_credentials(path: Path, environment: Mapping[str, str]) -> list[Path]:
    """List the names that systemd may give to its copy of the key at `path`.

    `LoadCredential=keys:/etc/oddaemon/keys` makes `keys_smile.key` of the file `keys/smile.key`; a file that is named
    alone becomes `smile.key`.
    """
    directory = environment.get(_SYSTEMD_CREDENTIALS)
    if not directory:
        return []
    return [Path(directory, f"{path.parent.name}_{path.name}"), Path(directory, path.name)]


def _read_key_file(path: Path, environment: Mapping[str, str], check: SecretCheck) -> Secret | InvalidSecret | OSError:
    try:
        # Checked before it is opened: a file that others may read is refused without reading it.
        return _check_file(path, path.stat(), environment) or check(_read_line(path))
    except OSError as error:
        return error
    except UnicodeDecodeError:
        return InvalidSecret(
            "contains characters that a key cannot have", "the file must hold the key in ASCII and nothing else"
        )


def _check_file(path: Path, status: os.stat_result, environment: Mapping[str, str]) -> InvalidSecret | None:
    if stat.S_ISDIR(status.st_mode):
        return InvalidSecret("is a directory", "name the file that holds the key")
    if not stat.S_ISREG(status.st_mode):
        return InvalidSecret("is not a regular file")
    if not is_private(status) and not _is_systemd_credential(path, environment):
        return InvalidSecret(f"other users may read it (mode {stat.S_IMODE(status.st_mode):04o})", f"chmod 600 {path}")
    if status.st_size > _BYTES_MAX:
        return InvalidSecret(
            f"is too large for a key ({status.st_size} bytes)", "the file must hold the key and nothing else"
        )
    return None


def _read_line(path: Path) -> str:
    return read_file(path, _BYTES_MAX)[0].decode("ascii").removesuffix("\n").removesuffix("\r")


def _is_systemd_credential(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether it is a systemd credential: those have an ACL for the unit's user, which shows as group permissions."""
    directory = environment.get(_SYSTEMD_CREDENTIALS)
    return bool(directory) and path.parent == Path(str(directory))


def _read_environment(name: str, environment: Mapping[str, str], check: SecretCheck) -> Secret | InvalidSecret:
    if looks_like_key(name):
        return InvalidSecret(
            "looks like a key and not like the name of a variable", "name the environment variable that holds the key"
        )
    value = environment.get(name)
    if value is None:
        return InvalidSecret(
            "this environment variable is not set", "set it for the user or the unit that runs oddaemon"
        )
    return check(value)


def _check_key(value: str) -> Secret | InvalidSecret:
    if not value:
        return InvalidSecret("the key is empty")
    if "/" in value:
        return InvalidSecret(
            "the key contains a slash",
            "the part before it is the developer key, which belongs in [api]; the part after it is the customer key",
        )
    if any(character.isspace() for character in value):
        return InvalidSecret("the key contains white space", "remove everything but the key")
    if not (value.isascii() and value.isprintable()):
        return InvalidSecret(
            "the key contains characters that a key cannot have", "copy it again from the developer portal"
        )
    if len(value) > _LENGTH_MAX:
        return InvalidSecret(f"the key is longer than {_LENGTH_MAX} characters", "remove everything but the key")
    return Secret(value)
