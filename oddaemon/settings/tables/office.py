"""One `[[office]]` table, and the settings made from it."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from oddaemon.core.config_diff import Effect, setting
from oddaemon.core.model import Cadence, Include, OfficeCredentials, OfficeSpec, Plausibility, Reader
from oddaemon.core.secret import Secret
from oddaemon.settings.files.secret_sources import check_key
from oddaemon.settings.tables.base import BaseUrl, SecondsOrZero, Table, matches
from oddaemon.settings.tables.sections import ApiSettings
from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.secret import looks_like_key
from oddaemon.settings.values.timezone import find_zone
from oddaemon.settings.values.url import HEADQUARTERS_HOST

SPACING_SECONDS = {"read_all": 5.0, "standard": 1.0, "enterprise": 0.5}
"""Between two requests of one key, by the permissions that were bought for it."""
PAGE_ROWS_REMOTE = 100
PAGE_ROWS_LOCAL = 1000

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_NAME_LENGTH_MAX = 200
_BIGINT_MAX = 2**63 - 1


def _require_display_name(name: str) -> str:
    if not (name.strip() and name.isprintable() and len(name) <= _NAME_LENGTH_MAX):
        raise invalid(f"must be one line of 1 to {_NAME_LENGTH_MAX} characters")
    if looks_like_key(name):
        raise invalid("looks like a key", "names are shown everywhere; put the key into `customer_key`")
    return name


def _normalize_zone(name: str) -> str:
    return find_zone(name).key


class OfficeTable(Table):
    """`[[office]]` as written."""

    secrets: ClassVar = {"customer_key": check_key}

    id: Annotated[
        str,
        matches(
            r"[a-z0-9][a-z0-9._-]{0,63}",
            "must be a short name for commands, metrics and files",
            "use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit; put the full name into `name`",
        ),
    ]
    name: Annotated[str, AfterValidator(_require_display_name)] | None = None
    customer_key: Secret
    timezone: Annotated[str, AfterValidator(_normalize_zone)] | None = None
    """None: the office's clock is measured."""
    tier: Literal["read_all", "standard", "enterprise"] = "standard"
    min_interval_seconds: SecondsOrZero | None = None
    """None: the interval of the tier."""
    base_url: BaseUrl | None = None
    """The office's own API Service; None: through headquarters."""
    clinics: list[Annotated[int, Field(ge=0, le=_BIGINT_MAX)]] = Field(default_factory=list)
    include: Literal["all", "debts"] = "all"
    fresh_by: str = "07:00"
    reader: Literal["auto", "statement", "pages", "report", "sftp"] = "auto"
    """`auto` is `report` for a key with only Read All."""
    enabled: bool = True
    labels: dict[str, str] = Field(default_factory=dict)

    @field_validator("clinics")
    @classmethod
    def _validate_clinics(cls, clinics: list[int]) -> list[int]:
        duplicates = [clinic for clinic, count in Counter(clinics).items() if count > 1]
        if duplicates:
            raise invalid(f"contains clinic {min(duplicates)} twice")
        return clinics

    @field_validator("fresh_by", mode="before")
    @classmethod
    def _validate_fresh_by(cls, fresh_by: object) -> object:
        if fresh_by != "" and not (isinstance(fresh_by, str) and _TIME_OF_DAY.fullmatch(fresh_by)):
            raise invalid(
                "must be a time of day in quotes",
                'write "07:00", or "" for no deadline',
                form_text=("must be a time of day", "write it as 07:00, or never"),
            )
        return fresh_by

    @field_validator("reader")
    @classmethod
    def _validate_reader(cls, reader: str, info: ValidationInfo) -> str:
        tier, timezone = info.data.get("tier"), info.data.get("timezone", "")
        if tier == "read_all" and reader in {"statement", "pages", "sftp"}:
            message = "a key with only the Read All permission cannot run queries"
            hint = 'set reader = "report", or leave it out'
            raise invalid(message, hint, form_text=(message, "write report, or leave it out"))
        if timezone is None and (tier == "read_all" or reader == "report"):
            message = "requires `timezone`: without queries, oddaemon cannot measure the office's clock"
            hint = 'set timezone = "America/Chicago", or the zone of the office'
            raise invalid(message, hint, form_text=(message, "such as America/Chicago, or the zone of the office"))
        return reader

    @field_validator("labels", mode="before")
    @classmethod
    def _validate_labels(cls, labels: object) -> object:
        setting_names = OFFICE_FIELDS.intersection(labels) if isinstance(labels, dict) else ()
        if setting_names:
            message = f"`{min(setting_names)}` is a setting and not a label"
            hint = "everything below [office.labels] is a label: move the setting above that line"
            raise invalid(message, hint, form_text=(message, "rename the label"))
        return labels


OFFICE_FIELDS = OfficeTable.list_keys()


@dataclass(frozen=True, slots=True)
class OfficeSettings:
    """Everything a worker depends on. Its fields are the settings of an office: see `core.config_diff`."""

    spec: OfficeSpec = field(metadata=setting(Effect.NESTED))
    credentials: OfficeCredentials = field(metadata=setting(Effect.NESTED))
    source: Path = field(metadata=setting(Effect.NONE))
    """The file that names it."""
    tier: str = field(default="standard", metadata=setting(Effect.DISPLAY_ONLY))
    """The permissions that were bought for its key: spacing and reader follow from it."""


def make_office_settings(
    table: OfficeTable, api: ApiSettings, source: Path, cadence: Cadence, plausibility: Plausibility
) -> OfficeSettings:
    """What `table` comes to: its own values where it has some, its route's and its tier's where not."""
    base_url = table.base_url or api.base_url
    remote = base_url == api.base_url or urlsplit(base_url).hostname == HEADQUARTERS_HOST
    spacing = SPACING_SECONDS[table.tier] if remote else 0.0
    return OfficeSettings(
        spec=OfficeSpec(
            id=table.id,
            name=table.name or table.id,
            zone=None if table.timezone is None else find_zone(table.timezone),
            clinics=tuple(table.clinics),
            include=Include(table.include),
            reader=_choose_reader(table),
            fresh_by=time.fromisoformat(table.fresh_by) if table.fresh_by else None,
            enabled=table.enabled,
            page_rows=PAGE_ROWS_REMOTE if remote else PAGE_ROWS_LOCAL,
            labels=tuple(sorted(table.labels.items())),
            cadence=cadence,
            plausibility=plausibility,
        ),
        credentials=OfficeCredentials(
            office_id=table.id,
            developer_key=api.developer_key,
            customer_key=table.customer_key,
            base_url=base_url,
            min_interval_seconds=spacing if table.min_interval_seconds is None else table.min_interval_seconds,
            remote=remote,
        ),
        source=source,
        tier=table.tier,
    )


def _choose_reader(table: OfficeTable) -> Reader:
    by_report = table.tier == "read_all" and table.reader == "auto"
    return Reader.REPORT if by_report else Reader(table.reader)
