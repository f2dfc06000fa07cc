"""What another configuration would change, as a value: told before it is done, done, and told again.

Settings are compared by equality and told by name alone, so a plan can be shown to anybody: no value is in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

DISPLAY_ONLY = frozenset({"name", "labels", "tier"})
"""What an office is shown by. Nothing that is done for it hangs on these, so no work is disturbed by another one."""

OfficeAttributes = Mapping[str, object]
"""Everything that is wanted of an office, by the name of the setting."""


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """An office of which something else is wanted than before."""

    office: str
    settings: tuple[str, ...]
    """Their names, sorted; never a value."""

    @property
    def restarts_worker(self) -> bool:
        """Whether its work begins anew; what was read so far of a pull in pages is kept."""
        return not DISPLAY_ONLY.issuperset(self.settings)


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """From the configuration in force to another one. Offices by id, in the order of the configuration."""

    new: tuple[str, ...] = ()
    changed: tuple[ConfigChange, ...] = ()
    removed: tuple[str, ...] = ()
    """No longer watched; what is known of them is kept."""
    unchanged: int = 0
    restart: tuple[str, ...] = ()
    """Tables that are read once: what they say now counts after a restart."""
    sinks: tuple[str, ...] = ()
    """The names of those that come, go or change."""

    @property
    def sentence(self) -> str:
        """The plan in one line: "1 new, 2 changed, 210 unchanged; [http] changes with a restart only."."""
        counts = (
            (len(self.new), "new"),
            (len(self.changed), "changed"),
            (len(self.removed), "removed"),
            (self.unchanged, "unchanged"),
        )
        offices = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no offices"
        sinks = f"; [[sink]] {', '.join(self.sinks)} changed" if self.sinks else ""
        return f"{offices}{sinks}; {self.restart_sentence}" if self.restart else f"{offices}{sinks}."

    @property
    def restart_sentence(self) -> str:
        """What a reload does not do; "": it does all."""
        if not self.restart:
            return ""
        return f"{' and '.join(self.restart)} change{'s' if len(self.restart) == 1 else ''} with a restart only."


class ConfigChangeDocument(TypedDict):
    """One element of `changed`."""

    office: str
    settings: Sequence[str]
    restarts_worker: bool


class ConfigDiffDocument(TypedDict):
    """A plan, as `check --plan --json` and the control socket tell it."""

    new: Sequence[str]
    changed: Sequence[ConfigChangeDocument]
    removed: Sequence[str]
    unchanged: int
    restart_required: Sequence[str]
    sinks: Sequence[str]


def diff_configs(
    before: Mapping[str, OfficeAttributes],
    after: Mapping[str, OfficeAttributes],
    restart: Sequence[str] = (),
    sinks: Sequence[str] = (),
) -> ConfigDiff:
    """Compare what is wanted of each office in two configurations.

    Args:
        before: The configuration in force, by the office's id.
        after: The other one.
        restart: Tables of it that a reload does not put in force.
        sinks: Those that come, go or change.
    """
    changed = tuple(
        ConfigChange(office, tuple(sorted(changed_settings)))
        for office, wanted in after.items()
        if office in before and (changed_settings := _find_changed_settings(before[office], wanted))
    )
    return ConfigDiff(
        new=tuple(office for office in after if office not in before),
        changed=changed,
        removed=tuple(office for office in before if office not in after),
        unchanged=len(before.keys() & after.keys()) - len(changed),
        restart=tuple(restart),
        sinks=tuple(sinks),
    )


def make_config_diff_document(config_diff: ConfigDiff) -> ConfigDiffDocument:
    """The plan as plain values."""
    return {
        "new": config_diff.new,
        "changed": [
            {"office": each.office, "settings": each.settings, "restarts_worker": each.restarts_worker}
            for each in config_diff.changed
        ],
        "removed": config_diff.removed,
        "unchanged": config_diff.unchanged,
        "restart_required": config_diff.restart,
        "sinks": config_diff.sinks,
    }


def parse_config_diff(document: ConfigDiffDocument) -> ConfigDiff:
    """The plan that a document tells."""
    return ConfigDiff(
        new=tuple(document["new"]),
        changed=tuple(ConfigChange(each["office"], tuple(each["settings"])) for each in document["changed"]),
        removed=tuple(document["removed"]),
        unchanged=document["unchanged"],
        restart=tuple(document["restart_required"]),
        sinks=tuple(document["sinks"]),
    )


def _find_changed_settings(before: OfficeAttributes, after: OfficeAttributes) -> set[str]:
    missing = object()
    return {name for name in before.keys() | after.keys() if before.get(name, missing) != after.get(name, missing)}
