"""What another configuration would change, as a value: the report before a reload, the reload, the report after it.

There is one definition of what is a change, and it is derived from the fields of the dataclasses that an office's
worker is made from. A field is compared, reported under its own name, and restarts the worker, unless its metadata
says otherwise (`setting`). Changes are reported by name and never by value, so a diff is safe to show.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


REMOVALS_UNQUESTIONED = 3
"""A reload removes this many offices without `--accept-removals`, whatever their share of the fleet."""


class Effect(Enum):
    """What another value of a field does."""

    RESTARTS_WORKER = auto()
    """The office's worker starts again; what it has read of a pull in pages is kept."""
    DISPLAY_ONLY = auto()
    """It is reported, and the worker continues: nothing that is done for the office depends on it."""
    NONE = auto()
    """It is not a setting."""
    NESTED = auto()
    """The field holds a dataclass, whose fields are the settings."""


def setting(effect: Effect = Effect.RESTARTS_WORKER, *, name: str = "") -> Mapping[str, Any]:
    """The metadata of a dataclass field that is not simply a setting of the same name which restarts the worker.

    Args:
        effect: What another value does.
        name: The setting's name in the configuration; "": the field's own.
    """
    return {"effect": effect, "name": name}


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """An office whose settings differ."""

    office: str
    settings: tuple[str, ...]
    """Their names, sorted; never a value."""
    restarts_worker: bool = True


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """From the active configuration to another one. Offices by id, in the order of the configuration.

    Its fields are those of the JSON document: `check --plan --json` and the control socket report it with `asdict`.
    """

    new: tuple[str, ...] = ()
    changed: tuple[ConfigChange, ...] = ()
    removed: tuple[str, ...] = ()
    """No longer monitored; their data is kept."""
    unchanged: int = 0
    restart_required: tuple[str, ...] = ()
    """Changed tables that take effect only after a restart."""
    sinks: tuple[str, ...] = ()
    """The names of added, removed and changed sinks."""

    @property
    def restarts(self) -> frozenset[str]:
        """The offices whose workers must start again."""
        return frozenset(each.office for each in self.changed if each.restarts_worker)

    @property
    def sentence(self) -> str:
        """One line: "1 new, 2 changed, 210 unchanged; [http] takes effect only after a restart."."""
        counts = (
            (len(self.new), "new"),
            (len(self.changed), "changed"),
            (len(self.removed), "removed"),
            (self.unchanged, "unchanged"),
        )
        offices = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no offices"
        sinks = f"; [[sink]] {', '.join(self.sinks)} changed" if self.sinks else ""
        return f"{offices}{sinks}; {self.restart_sentence}" if self.restart_required else f"{offices}{sinks}."

    @property
    def removes_most(self) -> bool:
        """Whether it removes more than half of the offices, and more than a few.

        That is rarely meant: a directory is not mounted, or a tool wrote an empty file.
        """
        removed = len(self.removed)
        return removed > REMOVALS_UNQUESTIONED and removed > len(self.changed) + self.unchanged

    @property
    def restart_sentence(self) -> str:
        """What a reload does not activate; "": it activates everything."""
        if not self.restart_required:
            return ""
        verb = "takes" if len(self.restart_required) == 1 else "take"
        return f"{' and '.join(self.restart_required)} {verb} effect only after a restart."


def diff_configs(
    before: Mapping[str, object],
    after: Mapping[str, object],
    restart_required: Sequence[str] = (),
    sinks: Sequence[str] = (),
) -> ConfigDiff:
    """Compare what the workers are made from in two configurations.

    Args:
        before: The active configuration: a dataclass for each office, by the office's id.
        after: The other one.
        restart_required: Tables of it that a reload does not activate.
        sinks: The names of added, removed and changed sinks.
    """
    changed: list[ConfigChange] = []
    for office, config in after.items():
        old_config = before.get(office)
        # Those of an unchanged file are the very same object.
        effects = [] if old_config is None or old_config is config else list(_iter_changes(old_config, config))
        if effects:
            restarts_worker = any(effect is Effect.RESTARTS_WORKER for _, effect in effects)
            changed.append(ConfigChange(office, tuple(sorted({name for name, _ in effects})), restarts_worker))
    return ConfigDiff(
        new=tuple(office for office in after if office not in before),
        changed=tuple(changed),
        removed=tuple(office for office in before if office not in after),
        unchanged=len(before.keys() & after.keys()) - len(changed),
        restart_required=tuple(restart_required),
        sinks=tuple(sinks),
    )


def parse_config_diff(document: Mapping[str, Any]) -> ConfigDiff:
    """Read a diff back from its JSON document."""
    changed = tuple(ConfigChange(**{**each, "settings": tuple(each["settings"])}) for each in document["changed"])
    names = {name: tuple(document[name]) for name in ("new", "removed", "restart_required", "sinks")}
    return ConfigDiff(**names, changed=changed, unchanged=document["unchanged"])


def _iter_changes(before: object, after: object) -> Iterator[tuple[str, Effect]]:
    """The settings that differ, each with what its change does. Two fields may be one setting."""
    for each in fields(cast("DataclassInstance", after)):
        old, new = getattr(before, each.name), getattr(after, each.name)
        effect = each.metadata.get("effect", Effect.RESTARTS_WORKER)
        if old == new or effect is Effect.NONE:
            continue
        if effect is Effect.NESTED:
            yield from _iter_changes(old, new)
        else:
            yield each.metadata.get("name") or each.name, effect
