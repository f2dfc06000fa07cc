"""The directory of offices: which files are read, and how many at most."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path

from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.problem import Diagnostics, Problem, format_path

_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""Without a dot: files that editors, backups and file systems leave behind have a dot, a plus or a tilde."""
_FILES_MAX = 20_000
"""Of the directory of offices: far more than any fleet has."""
_ALL_CHARACTERS_MAX = 8_388_608
"""Of all files together: about 50,000 offices."""


def read_directory(
    main: TomlDocument, directory: Path, read: Callable[[Path], TomlDocument | None]
) -> list[TomlDocument]:
    """Read the office files of the directory and its groups, by name, without hidden files and editors' copies.

    Args:
        main: `oddaemon.toml`, which names the directory.
        directory: Its absolute path.
        read: Reads one file, and reports its problems.
    """
    shown_directory = main.path.parent / main.table["offices"]["directory"]
    try:
        paths = _list_office_files(shown_directory, directory, main.diagnostics)
    except OSError as error:
        _report_unreadable(main, shown_directory, Path(error.filename or directory), error)
        return []
    return _read_documents(paths, read, main.diagnostics)


def _report_unreadable(main: TomlDocument, shown_directory: Path, path: Path, error: OSError) -> None:
    """Report what cannot be read: the directory, one of its groups, or something that may be a group."""
    if isinstance(error, PermissionError) and not os.access(path.parent, os.X_OK, effective_ids=True):
        path = path.parent
    hint = "name a directory that exists, or remove this line"
    if isinstance(error, PermissionError):
        hint = "allow the user that runs oddaemon to list and enter it; under systemd: chgrp oddaemon-config, chmod 750"
    elif path.name != shown_directory.name:
        hint = "mount or restore it, or what it links to; if its offices are no longer wanted, remove it"
    where = "cannot be read" if path.name == shown_directory.name else f"{format_path(path)} cannot be read"
    main.report(("offices", "directory"), f"{where}: {error.strerror}", hint, str(main.table["offices"]["directory"]))


def _list_office_files(shown_directory: Path, directory: Path, diagnostics: Diagnostics) -> list[Path]:
    diagnostics.files.add(directory)
    groups = list_office_groups(directory)
    diagnostics.files.update(groups)
    found = list(islice(_iter_office_files(directory, groups), _FILES_MAX + 1))
    if len(found) > _FILES_MAX:
        raise OSError(errno.EFBIG, f"more than {_FILES_MAX} files")
    return [shown_directory.joinpath(*parts) for parts in sorted(found)]


def _iter_office_files(directory: Path, groups: Iterable[Path]) -> Iterator[tuple[str, ...]]:
    """The name of each office file, after that of its group. Not as paths: ten thousand of those take long to make."""
    for place in ((), *((group.name,) for group in groups)):
        for name in os.listdir(directory.joinpath(*place)):  # noqa: PTH208
            if _is_office_file_name(name):
                yield *place, name


def _read_documents(
    paths: Iterable[Path], read: Callable[[Path], TomlDocument | None], diagnostics: Diagnostics
) -> list[TomlDocument]:
    """Read the files, up to a limit of characters over all of them."""
    documents: list[TomlDocument] = []
    characters_left = _ALL_CHARACTERS_MAX
    for path in takewhile(lambda _: not diagnostics.is_full, paths):
        document = read(path)
        characters_left -= document.characters if document else 0
        if characters_left < 0:
            diagnostics.problems.append(
                Problem(path, "", None, f"the office files hold more than {_ALL_CHARACTERS_MAX} characters in total")
            )
            break
        if document:
            documents.append(document)
    return documents


def is_office_file(path: Path) -> bool:
    """Whether a file of this name in the directory of offices is read."""
    return _is_office_file_name(path.name)


def _is_office_file_name(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith((".", "#"))


def is_office_group(path: Path) -> bool:
    """Whether a directory of this name in the directory of offices is a group, whose files are read, too."""
    return _GROUP.fullmatch(path.name) is not None


def list_office_groups(directory: Path) -> list[Path]:
    """List the groups of the directory, by name.

    What may be a group and cannot be looked at counts as one: reading it then fails. Otherwise all of its offices would
    be removed because of a link to a share that is not mounted, or of a wrong mode.

    Raises:
        OSError: The directory cannot be read.
    """
    names = (name for name in os.listdir(directory) if _GROUP.fullmatch(name))  # noqa: PTH208 - as above
    return sorted(path for name in names if _may_be_directory(path := directory / name))


def _may_be_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        # A name that was listed and is gone was removed just now.
        return path.is_symlink()
    except OSError:
        return True
