"""The directory of offices: which of its files are read, and how much of them at most."""

import errno
import re
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path

from oddaemon.settings.document import Document, parse
from oddaemon.settings.problem import Findings, Problem

_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""Without a dot: what editors, backups and file systems leave lying about has one, or a plus or a tilde."""
_FILES_MAX = 20_000
"""In the directory of offices: one for each, and many times that."""
_ALL_CHARACTERS_MAX = 8_388_608
"""All of them together: about 50,000 offices."""


def directory_documents(
    main: Document, directory: Path, harmless: frozenset[str], findings: Findings
) -> list[Document]:
    """The office files of the directory and its groups, by name, without hidden files and editors' copies.

    Args:
        main: `oddaemon.toml`, which names the directory.
        directory: Its absolute path.
        harmless: Names whose values may be shown.
        findings: Takes what is wrong with them.
    """
    written = main.table["offices"]["directory"]
    shown = main.path.parent / written
    try:
        paths = _office_files(shown, directory)
    except OSError as error:
        problem = main.problem(
            ("offices", "directory"),
            f"cannot be read: {error.strerror}",
            "name a directory that exists, or remove this line",
            written,
        )
        findings.problems.append(problem)
        return []
    return _parsed(paths, harmless, findings)


def _office_files(shown: Path, directory: Path) -> list[Path]:
    places = (directory, *office_groups(directory))
    files = (path for place in places for path in place.iterdir() if is_office_file(path))
    found = [shown / path.relative_to(directory) for path in islice(files, _FILES_MAX + 1)]
    if len(found) > _FILES_MAX:
        raise OSError(errno.EFBIG, f"more than {_FILES_MAX} files")
    return sorted(found)


def _parsed(paths: Iterable[Path], harmless: frozenset[str], findings: Findings) -> list[Document]:
    """The files that can be read, as long as they do not hold more together than any fleet needs."""
    documents: list[Document] = []
    room = _ALL_CHARACTERS_MAX
    for path in takewhile(lambda _: not findings.is_full, paths):
        document = parse(path, harmless, findings)
        room -= document.characters if document else 0
        if room < 0:
            findings.problems.append(
                Problem(path, "", None, f"the files hold more than {_ALL_CHARACTERS_MAX} characters together")
            )
            break
        if document:
            documents.append(document)
    return documents


def is_office_file(path: Path) -> bool:
    """Whether a file of this name in the directory of offices is read."""
    return path.suffix == ".toml" and not path.name.startswith((".", "#"))


def is_office_group(path: Path) -> bool:
    """Whether a directory of this name in the directory of offices is read, too: its files came all at once."""
    return _GROUP.fullmatch(path.name) is not None


def office_groups(directory: Path) -> list[Path]:
    """The groups of the directory, by name; none if it cannot be read."""
    try:
        return sorted(path for path in directory.iterdir() if is_office_group(path) and path.is_dir())
    except OSError:
        return []
