"""`support-bundle`: diagnostics in one archive, without secrets and patient data.

Every value passes through the redactor of `SupportBundle` before it is serialized. A pattern that matched in serialized
text could take the escape of a quote with it, and leave something that is no JSON.
"""

import gzip
import hashlib
import io
import json
import os
import platform
import re
import sqlite3
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Annotated

import anyio
import typer

from oddaemon import __version__
from oddaemon.admin.inspection import FleetDocument
from oddaemon.admin.office_details import build_entry_document
from oddaemon.cli.args.options import Config, make_office_argument
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import fail_unknown_office, find_config
from oddaemon.cli.sources.daemon_client import DaemonUnavailable, fetch_document, fetch_metrics
from oddaemon.cli.sources.database import warn_of_lost_log
from oddaemon.cli.sources.fleet import make_details, make_fleet_document, read_offices, read_overview_if_fleet
from oddaemon.core.reporting.fleet_document import make_overview_document
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.secret import Secret
from oddaemon.settings import LoadResult, Settings, render_redacted_files, try_load
from oddaemon.settings.files.problem import format_path
from oddaemon.settings.files.redacted import HIDDEN
from oddaemon.settings.files.secret_sources import find_secrets
from oddaemon.sinks.formats.export import atomic_write_without_manifest
from oddaemon.store import journal
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.opening import get_upkeep, open_for_reading
from oddaemon.store.sqlite.disk_space import format_size
from oddaemon.telemetry.logging.redaction import Redactor

FILE_MODE = 0o600
MANIFEST = "manifest.json"
EXCLUDED = (
    "keys and other secrets",
    "PatNums, names and balances of patients, or any amount",
    "comments, unknown settings and values of labels of the configuration",
    "the log",
)


JOURNAL_ENTRIES_MAX = 100_000
"""Per office; the database never keeps more."""
AMOUNT_FIELD = "bal_total"
"""The only amount in the documents: in a small office it could be one patient's."""

LABELS_FIELD = "labels"
_METRIC_LABEL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_METRIC_ESCAPE = re.compile(r"\\(.)")

app = typer.Typer()


@app.command(
    "support-bundle",
    epilog=format_examples(
        "oddaemon support-bundle", "oddaemon support-bundle bright-smiles hill-street -o case-12.tar.gz"
    ),
)
def support_bundle(
    offices: Annotated[
        list[str] | None, make_office_argument("Include only these offices' journals (default: all).")
    ] = None,
    config: Config = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it (default: ./oddaemon-support-TIME.tar.gz).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Contents: journals, configuration without secrets, its problems, versions,
    metrics, status, and facts about the database.

    Works with an invalid configuration and without a daemon; lists what is missing.
    """
    config_path = find_config(config)
    loaded = try_load(config_path)
    bundle = SupportBundle(datetime.now(UTC), Redactor())
    bundle.redactor.add_secrets(map(Secret.reveal, find_secrets(loaded.settings)))
    _add_configuration(bundle, config_path, loaded)
    _add_versions(bundle)
    daemon_available = _add_daemon(bundle, config_path)
    if loaded.settings is None:
        bundle.mark_missing(
            "journal/, offices/, store.json", "the configuration is invalid, so the database is not known"
        )
    else:
        anyio.run(_add_database, bundle, loaded.settings, offices or [], daemon_available)
    target = output or Path(f"{bundle.name}.tar.gz")
    content = bundle.to_tar_gz()
    try:
        with atomic_write_without_manifest(target.resolve()) as file:
            file.write(content)
    except OSError as error:
        raise fail(f"cannot write {target}: {error.strerror}; nothing has changed there") from error
    for line in _format_summary(bundle, target, len(content)):
        typer.echo(line)


@dataclass(slots=True)
class SupportBundle:
    """Texts by name, their descriptions, and what is missing."""

    made_at: datetime
    redactor: Redactor = field(repr=False)
    texts: dict[str, str] = field(default_factory=dict, repr=False)
    descriptions: dict[str, str] = field(default_factory=dict)
    """Of each file or directory."""
    missing: dict[str, str] = field(default_factory=dict)
    """What is missing, and why."""

    @property
    def name(self) -> str:
        """Of the archive, without its suffix, and of the one directory in it."""
        return f"oddaemon-support-{self.made_at:%Y%m%dT%H%M%SZ}"

    def describe(self, path: str, text: str) -> None:
        """Describe a file or a directory of the bundle."""
        self.descriptions[path] = text

    def add_json(self, name: str, document: object) -> None:
        """Add a document as JSON."""
        self.texts[name] = json.dumps(self.redactor.redact_value(document), indent=1, ensure_ascii=False) + "\n"

    def add_json_lines(self, name: str, documents: Iterable[object]) -> None:
        """Add documents as JSON, one a line."""
        lines = (json.dumps(self.redactor.redact_value(each), ensure_ascii=False) for each in documents)
        self.texts[name] = "".join(f"{line}\n" for line in lines)

    def add_metrics(self, name: str, text: str) -> None:
        """Add metrics in Prometheus' text format: the values of labels are all that is not our own text."""

        def redact(label: re.Match[str]) -> str:
            value = _METRIC_ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], label[1])
            redacted = self.redactor.redact_text(value)
            return label[0] if redacted == value else json.dumps(redacted, ensure_ascii=False)

        self.texts[name] = _METRIC_LABEL.sub(redact, text)

    def mark_missing(self, what: str, reason: str) -> None:
        """Note that something is missing."""
        self.missing[what] = self.redactor.redact_text(reason)

    def to_tar_gz(self) -> bytes:
        """The archive: one directory with all files and the manifest, compressed."""
        self.add_json(MANIFEST, self._make_manifest())
        archive = io.BytesIO()
        timestamp = int(self.made_at.timestamp())
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=archive, mtime=timestamp) as compressed,
            tarfile.open(fileobj=compressed, mode="w") as tar,
        ):
            for name, text in sorted(self.texts.items(), key=lambda item: (item[0] != MANIFEST, item[0])):
                content = text.encode(errors="replace")
                member = tarfile.TarInfo(f"{self.name}/{name}")
                member.size, member.mtime, member.mode = len(content), timestamp, FILE_MODE
                tar.addfile(member, io.BytesIO(content))
        return archive.getvalue()

    def _make_manifest(self) -> dict[str, object]:
        return {
            "made_at": format_instant(self.made_at),
            "in_it": self.descriptions,
            "not_in_it": list(EXCLUDED),
            "missing": self.missing,
            "files": {
                name: {
                    "bytes": len(text.encode(errors="replace")),
                    "sha256": hashlib.sha256(text.encode(errors="replace")).hexdigest(),
                }
                for name, text in sorted(self.texts.items())
            },
        }


def _add_configuration(bundle: SupportBundle, config_path: Path, loaded: LoadResult) -> None:
    files = render_redacted_files(config_path, bundle.redactor.redact_text)
    for number, (path, text) in enumerate(files):
        # Files in different directories may have the same name.
        header = bundle.redactor.redact_text(format_path(path))
        bundle.texts[f"configuration/{number:05}-{path.name}"] = f"# {header}\n{text}"
    if files:
        bundle.describe(
            "configuration/", "the configuration, without comments and without anything that could be secret"
        )
    else:
        bundle.mark_missing("configuration/", f"{config_path} cannot be read; see check.json")
    bundle.describe("check.json", "problems and warnings of the configuration")
    problems, warnings = ([str(each) for each in diagnostics] for diagnostics in (loaded.problems, loaded.warnings))
    bundle.add_json("check.json", {"problems": problems, "warnings": warnings})


def _add_versions(bundle: SupportBundle) -> None:
    bundle.describe("versions.json", "versions of oddaemon, Python, packages, SQLite and the operating system")
    packages = {package.metadata["Name"]: package.version for package in distributions()}
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    bundle.add_json(
        "versions.json",
        {
            "oddaemon": __version__,
            "python": sys.version,
            "sqlite": sqlite3.sqlite_version,
            "platform": platform.platform(),
            "system": system.get("PRETTY_NAME", ""),
            "processors": os.cpu_count(),
            "zone": datetime.now().astimezone().tzname(),
            "packages": dict(sorted(packages.items())),
        },
    )


def _add_daemon(bundle: SupportBundle, config_path: Path) -> bool:
    """Status and metrics of the running daemon; False: it is not available."""
    try:
        status = fetch_document(config_path, "/status", FleetDocument)
        metrics = fetch_metrics(config_path)
    except DaemonUnavailable as error:
        bundle.mark_missing("metrics.txt", error.reason)
        return False
    bundle.describe("status.json", "every office and the daemon itself, from the daemon")
    bundle.add_json("status.json", redact_document(status))
    bundle.describe("metrics.txt", "metrics of the running daemon")
    bundle.add_metrics("metrics.txt", metrics)
    return True


async def _add_database(
    bundle: SupportBundle, settings: Settings, office_ids: Sequence[str], daemon_available: bool
) -> None:
    bundle.describe("store.json", "revision, sizes and counts of the database, or why it cannot be read")
    try:
        async with open_for_reading(settings.state.database_url.reveal()) as db:
            warn_of_lost_log(db)
            bundle.add_json("store.json", await get_upkeep(db).read_info())
            await _add_offices(bundle, db, settings, office_ids, daemon_available)
    except StoreError as error:
        bundle.add_json("store.json", {"database": settings.state.where, "error": error.what, "advice": error.advice})
        bundle.mark_missing("journal/, offices/", error.what)


async def _add_offices(
    bundle: SupportBundle, db: Database, settings: Settings, office_ids: Sequence[str], daemon_available: bool
) -> None:
    now = bundle.made_at
    known, overview = await read_offices(db, settings), await read_overview_if_fleet(db, settings)
    if overview is not None:
        bundle.describe("fleet.json", "the hosts that share the database, and how they differ")
        bundle.add_json("fleet.json", make_overview_document(overview))
    if not daemon_available:
        bundle.describe("status.json", "every office, from the database")
        bundle.add_json("status.json", redact_document(make_fleet_document(known.values(), now, overview)))
    for office_id in office_ids:
        if office_id not in known:
            raise fail_unknown_office(office_id, known)
    selected = [office_id for office_id in known if not office_ids or office_id in office_ids]
    bundle.describe("offices/", "each office: condition, aging preferences, how it is read")
    bundle.describe("journal/", "each office: decisions, requests and commands, an entry a line")
    with progress_bar("reading the journals") as progress:
        for number, office_id in enumerate(selected, start=1):
            details = make_details(*known[office_id], now, overview=overview)
            bundle.add_json(f"offices/{office_id}.json", redact_document(details))
            entries = map(build_entry_document, await journal.list_latest(db, office_id, JOURNAL_ENTRIES_MAX))
            bundle.add_json_lines(f"journal/{office_id}.jsonl", entries)
            if progress is not None:
                progress(number, len(selected))


def redact_document(document: object) -> object:
    """The document with every amount replaced by null, and the labels of the offices hidden: they are free text."""
    match document:
        case Mapping():
            return {name: _redact_field(name, value) for name, value in document.items()}
        case list():
            return [redact_document(each) for each in document]
        case _:
            return document


def _redact_field(name: str, value: object) -> object:
    if name == AMOUNT_FIELD:
        return None
    if name == LABELS_FIELD and isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    return redact_document(value)


def _format_summary(bundle: SupportBundle, target: Path, size_bytes: int) -> Iterator[str]:
    yield f"{target}: {format_size(size_bytes)}, readable only by you (mode 0600)."
    yield "Contents:"
    yield from (f"  {path:<16}{text}" for path, text in bundle.descriptions.items())
    if bundle.missing:
        yield "Missing:"
        yield from (f"  {what}: {reason}" for what, reason in bundle.missing.items())
    yield f"Not included: {'; '.join(EXCLUDED)}."
    yield f"Inspect it before you send it: tar xzf {target}"
