"""All `[[sink]]` tables: where published balances are delivered to, and which offices' go there."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from oddaemon.core.delivery import Content, Patience
from oddaemon.core.model import Office
from oddaemon.settings.address import checked_push_url
from oddaemon.settings.credentials import Check, find_key, sources_of
from oddaemon.settings.document import Document
from oddaemon.settings.explain import explain
from oddaemon.settings.lines import Location
from oddaemon.settings.paths import absolute
from oddaemon.settings.problem import Findings, Problem, did_you_mean
from oddaemon.settings.secret import Secret
from oddaemon.settings.sections import Backoff
from oddaemon.settings.sink_secrets import checked_dsn, checked_signing_secret
from oddaemon.settings.table import Seconds
from oddaemon.settings.wrong import wrong

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PATIENCE = Patience()

FileFormat = Literal["ndjson", "csv", "parquet"]


class SinkTable(Backoff):
    """What sinks of all kinds have."""

    name: str
    kind: Literal["files", "webhook", "postgres", "exec"]
    offices: list[str] = Field(default_factory=list, max_length=100_000)
    """Empty: every office."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Only offices that have all of these."""
    backoff_base_seconds: Seconds = _PATIENCE.backoff_base_seconds
    backoff_max_seconds: Seconds = _PATIENCE.backoff_max_seconds
    retry_after_max_seconds: Seconds = _PATIENCE.retry_after_max_seconds
    give_up_after_seconds: Seconds = _PATIENCE.give_up_after_seconds

    @field_validator("name")
    @classmethod
    def _is_a_slug(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise wrong(
                "must be a short name for commands and metrics",
                "1 to 64 of a-z 0-9 _ - beginning with a letter or digit",
            )
        return name


class _WithContent(SinkTable):
    content: Literal["snapshot", "changes"] = "snapshot"


class FilesTable(_WithContent):
    """`kind = "files"`: a tree of files with their manifests."""

    kind: Literal["files"]
    directory: Annotated[Path, BeforeValidator(absolute)]
    format: FileFormat = "ndjson"
    timeout_seconds: Seconds = 300.0


class WebhookTable(_WithContent):
    """`kind = "webhook"`: signed requests. Its secret is read apart."""

    kind: Literal["webhook"]
    url: Secret
    """It may hold a token of the receiver's, so it is never shown."""
    rows_max: int = Field(5_000, ge=1, le=1_000_000)
    gzip: bool = True
    timeout_seconds: Seconds = 30.0
    max_in_flight: int = Field(4, ge=1, le=64)
    """Deliveries of so many offices at once; those of one office go one by one."""

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: Secret) -> Secret:
        return Secret(checked_push_url(url.reveal()))


class PostgresTable(SinkTable):
    """`kind = "postgres"`: tables that are made and kept by us. Its DSN is read apart."""

    kind: Literal["postgres"]
    schema_name: str = "oddaemon"
    timeout_seconds: Seconds = 120.0

    @field_validator("schema_name")
    @classmethod
    def _is_an_identifier(cls, name: str) -> str:
        if not _IDENTIFIER.fullmatch(name) or name.startswith("pg_"):
            raise wrong("must be a plain name", "a-z 0-9 and _, beginning with a letter, not with pg_")
        return name


class ExecTable(_WithContent):
    """`kind = "exec"`: a command of the operator's."""

    kind: Literal["exec"]
    command: list[str] = Field(min_length=1, max_length=1000)
    format: FileFormat = "ndjson"
    pass_environment: list[str] = Field(default_factory=list, max_length=1000)
    """Variables of the daemon's own environment that the command gets, too."""
    timeout_seconds: Seconds = 300.0

    @field_validator("command")
    @classmethod
    def _can_be_run(cls, command: list[str]) -> list[str]:
        if not Path(command[0]).is_absolute():
            raise wrong("must begin with the whole path of a program", "there is no shell and no search for it")
        if any("\0" in part for part in command):
            raise wrong("contains a zero byte")
        return command

    @field_validator("pass_environment")
    @classmethod
    def _are_names(cls, names: list[str]) -> list[str]:
        if not all(_VARIABLE.fullmatch(name) for name in names):
            raise wrong("must be names of environment variables", "such as HOME, without values")
        return names


_Kind = FilesTable | WebhookTable | PostgresTable | ExecTable
KINDS: Mapping[str, type[_Kind]] = {
    "files": FilesTable,
    "webhook": WebhookTable,
    "postgres": PostgresTable,
    "exec": ExecTable,
}
"""What stands in the table of each kind."""
_SECRETS: Mapping[str, tuple[str, Check | None]] = {
    "webhook": ("secret", checked_signing_secret),
    "postgres": ("dsn", checked_dsn),
}
_SHOWN_NEVER = {"url", "secret", "dsn"}
SINK_NAMES = frozenset(
    {
        *(name for table in KINDS.values() for name in table.model_fields),
        *(source for name, _ in _SECRETS.values() for source in sources_of(name)),
    }
    - _SHOWN_NEVER
)
"""Names whose values may be shown."""


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One sink, ready to be delivered to. Equal settings mean that a reload has nothing to do."""

    table: _Kind
    secret: Secret | None = None
    """A webhook's signing secret, PostgreSQL's DSN."""
    content: Content = Content.SNAPSHOT
    patience: Patience = field(default_factory=Patience)

    @property
    def name(self) -> str:
        """Of the sink."""
        return self.table.name

    @property
    def in_flight_max(self) -> int:
        """How many deliveries it takes at once. A disk, a transaction and a command of the operator's: one."""
        return self.table.max_in_flight if isinstance(self.table, WebhookTable) else 1

    def secrets(self) -> Iterator[str]:
        """What must never be seen of it."""
        if self.secret is not None:
            yield self.secret.reveal()
        if isinstance(self.table, WebhookTable):
            yield self.table.url.reveal()

    def wants(self, office: Office) -> bool:
        """Whether the office's balances go there."""
        return self.selects(office.id, dict(office.labels))

    def selects(self, office_id: str, labels: Mapping[str, str]) -> bool:
        """The same, of an office that has an id and labels."""
        return (not self.table.offices or office_id in self.table.offices) and all(
            labels.get(name) == value for name, value in self.table.labels.items()
        )


def read_sinks(
    document: Document,
    offices: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    findings: Findings,
) -> tuple[SinkSettings, ...]:
    """Every sink of `oddaemon.toml`, in its order; what is wrong with each goes to `findings`.

    Args:
        document: the file.
        offices: the labels of every office by its id.
        environment: where `…_env` secrets are looked up.
        findings: takes problems and warnings.
    """
    found: list[SinkSettings] = []
    names: dict[str, Location] = {}
    for location, written in takewhile(lambda _: not findings.is_full, _tables(document, findings)):
        name = written.get("name")
        first = names.setdefault(name, location) if isinstance(name, str) else location
        if first is not location:
            message = f"the same name as {document.name_of(first)}"
            findings.take([document.problem((*location, "name"), message, "choose another", name)])
        sink = _read(document, location, written, environment, findings)
        if sink is not None:
            _check_selection(document, location, sink, offices, findings)
            found.append(sink)
    return tuple(found)


def _read(
    document: Document,
    location: Location,
    written: Mapping[str, Any],
    environment: Mapping[str, str],
    findings: Findings,
) -> SinkSettings | None:
    kind = written.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        message = "is no kind of sink" if "kind" in written else "missing"
        hint = (did_you_mean(kind, KINDS) if isinstance(kind, str) else "") or f"write one of {', '.join(KINDS)}"
        shown = kind if isinstance(kind, str | int | float) else None
        findings.problems.append(document.problem((*location, "kind"), message, hint, shown))
        return None
    name, check = _SECRETS.get(str(kind), ("", None))
    sources = sources_of(name) if name else ()
    secret, table = None, None
    if check is not None:
        found = find_key(document, location, written, name, environment, check=check)
        if isinstance(found, Problem):
            findings.problems.append(found)
        else:
            secret = found
    foreign = {key: _homes(key) for key in written if key not in model.model_fields and key not in sources}
    for key in (key for key, homes in foreign.items() if homes):
        message = f"belongs to sinks of kind {' and '.join(f'`{home}`' for home in foreign[key])}"
        findings.take([document.problem((*location, key), message)])
    rest = {key: value for key, value in written.items() if key not in sources and not foreign.get(key)}
    try:
        table = model.model_validate(rest, context={"directory": document.directory})
    except ValidationError as error:
        findings.take(explain(document, location, error, {*model.model_fields, *sources}))
    if table is None or (check is not None and secret is None):
        return None
    content = table.content if isinstance(table, _WithContent) else "snapshot"
    return SinkSettings(table, secret, Content(content), _patience(table))


def _homes(key: str) -> list[str]:
    """The kinds of sinks that have this key."""
    return [
        kind
        for kind, table in KINDS.items()
        if key in table.model_fields or (kind in _SECRETS and key in sources_of(_SECRETS[kind][0]))
    ]


def _patience(table: SinkTable) -> Patience:
    return Patience(
        backoff_base_seconds=table.backoff_base_seconds,
        backoff_max_seconds=table.backoff_max_seconds,
        retry_after_max_seconds=table.retry_after_max_seconds,
        give_up_after_seconds=table.give_up_after_seconds,
    )


def _check_selection(
    document: Document,
    location: Location,
    sink: SinkSettings,
    known: Mapping[str, Mapping[str, str]],
    findings: Findings,
) -> None:
    for index, office_id in enumerate(sink.table.offices):
        if office_id not in known:
            place = (*location, "offices", index)
            hint = did_you_mean(office_id, known)
            findings.take([document.problem(place, "no office has this id", hint, office_id)])
    if known and not any(sink.selects(*office) for office in known.items()):
        findings.warnings.append(
            document.problem(location, "no office goes to this sink", "see its offices and labels")
        )


def _tables(document: Document, findings: Findings) -> Iterator[tuple[Location, dict[str, Any]]]:
    written = document.table.get("sink", [])
    if isinstance(written, dict):
        findings.problems.append(document.problem(("sink",), "one pair of brackets", "write [[sink]]"))
        return
    if not isinstance(written, list):
        findings.problems.append(document.problem(("sink",), "must be a table", "write [[sink]]"))
        return
    for index, row in enumerate(written):
        if isinstance(row, dict):
            yield ("sink", index), row
        else:
            findings.take([document.problem(("sink", index), "must be a table", "write [[sink]]")])
