"""The office files of the last reading, so that the next one reads only those that have changed.

A reload of ten thousand files because of one would otherwise parse and check all of them, for two seconds of a core. A
file is known by what every edit changes: inode, size, mode, owner and times. Only what was read without any problem or
warning and depends on nothing else is kept: an office whose key is elsewhere is read every time.
"""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.problem import Diagnostics
from oddaemon.settings.tables.office import OfficeSettings, OfficeTable, make_office_settings
from oddaemon.settings.tables.offices import OfficeEntry, read_offices
from oddaemon.settings.tables.sections import ApiSettings
from oddaemon.settings.values.timezone import find_zone

SETTLED_SECONDS = 2.0
"""A file that changed this shortly before it was read is not kept: its next change may have the same time."""
_INLINE_KEY = "customer_key"

Fingerprint = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _KnownFile:
    fingerprint: Fingerprint
    document: TomlDocument
    """Without its table and its lines, which only problems need."""
    entries: tuple[OfficeEntry, ...]


class OfficeFileCache:
    """What one reading of a configuration leaves to the next one. For one thread at a time.

    Args:
        lasts: Whether there will be another reading; False: nothing is kept.
    """

    def __init__(self, *, lasts: bool = True) -> None:
        self._lasts = lasts
        self._known: dict[Path, _KnownFile] = {}
        self._fingerprints: dict[Path, Fingerprint] = {}
        """Of the files of the present reading, as they were before it."""
        self._used: dict[Path, _KnownFile] = {}
        """The files that the present reading did not read."""
        self._basis: tuple[ApiSettings, Cadence, Plausibility] | None = None
        """What the settings were made with, apart from the tables of the offices."""
        self._made: dict[str, tuple[OfficeTable, OfficeSettings]] = {}

    def begin(self) -> None:
        """A reading begins."""
        self._fingerprints, self._used = {}, {}

    def find_document(self, path: Path, diagnostics: Diagnostics) -> TomlDocument | None:
        """The file as it was read before; None: it is new, or may have changed."""
        if not self._lasts:
            return None
        try:
            status = os.stat(path)  # noqa: PTH116 - ten thousand times, and half as long as by the path's own method
        except OSError:
            return None
        fingerprint = (
            *(status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_uid, status.st_gid),
            *(status.st_mtime_ns, status.st_ctime_ns),
        )
        known = self._known.get(path)
        if known is not None and known.fingerprint == fingerprint:
            self._used[path] = known
            return replace(known.document, diagnostics=diagnostics)
        if status.st_ctime < time.time() - SETTLED_SECONDS:
            self._fingerprints[path] = fingerprint
        return None

    def is_known(self, document: TomlDocument) -> bool:
        """Whether the document comes from an earlier reading, which found no problem in it."""
        return document.path in self._used

    def read_offices(self, document: TomlDocument, environment: Mapping[str, str]) -> list[OfficeEntry]:
        """Read every office of one file, in its order."""
        known = self._used.get(document.path)
        return read_offices(document, environment) if known is None else list(known.entries)

    def make_settings(
        self, entries: Iterable[OfficeEntry], api: ApiSettings, cadence: Cadence, plausibility: Plausibility
    ) -> dict[str, OfficeSettings]:
        """The settings of each valid office, by its id; the same object as before if nothing has changed."""
        basis = api, cadence, plausibility
        made = self._made if self._basis == basis else {}
        self._basis = basis
        found: dict[str, OfficeSettings] = {}
        for entry in entries:
            if (table := entry.table) is None:
                continue
            known_table, settings = made.get(table.id, (None, None))
            # The system may have got new rules for its zone.
            if settings is None or known_table is not table or not _has_present_zone(settings, table):
                settings = make_office_settings(table, api, entry.document.path.absolute(), cadence, plausibility)
            found[table.id] = settings
        return found

    def lacks(self, diagnostics: Diagnostics) -> bool:
        """Whether a reading must be repeated without what is known, as its problems need the lines of each file."""
        return bool(self._used) and (
            bool(diagnostics.problems) or any(warning.file in self._used for warning in diagnostics.warnings)
        )

    def forget(self) -> None:
        """Read everything at the next reading."""
        self._known, self._made, self._basis = {}, {}, None

    def keep(
        self, entries: Iterable[OfficeEntry], settings: Mapping[str, OfficeSettings], diagnostics: Diagnostics
    ) -> None:
        """Keep what a reading without problems has found."""
        if not self._lasts:
            return
        entries_by_path: dict[Path, list[OfficeEntry]] = {}
        for entry in entries:
            entries_by_path.setdefault(entry.document.path, []).append(entry)
        self._known = {path: self._used[path] for path in entries_by_path if path in self._used}
        warned = {warning.file for warning in diagnostics.warnings}
        for path in self._fingerprints.keys() & entries_by_path.keys() - warned:
            found = entries_by_path[path]
            if all(entry.key_location[-1] == _INLINE_KEY for entry in found):
                document = replace(found[0].document, table={}, lines={}, diagnostics=Diagnostics())
                slim = tuple(replace(entry, document=document) for entry in found)
                self._known[path] = _KnownFile(self._fingerprints[path], document, slim)
        tables = [entry.table for known in self._known.values() for entry in known.entries if entry.table is not None]
        self._made = {table.id: (table, settings[table.id]) for table in tables}


def _has_present_zone(settings: OfficeSettings, table: OfficeTable) -> bool:
    return settings.spec.zone is (None if table.timezone is None else find_zone(table.timezone))
