"""Whether the members' configurations agree.

Each host has files of its own. A difference is shown and does no harm: whatever one member adds is added. What destroys
(an office that is not wanted any more, a sink that is dropped) happens only while all hosts agree, so that one with an
old file deletes nothing of the others.
"""

from collections.abc import Collection
from dataclasses import dataclass

from oddaemon.core.fleet.member import Departure, Member

NAMES_IN_SENTENCE_MAX = 5


@dataclass(frozen=True, slots=True)
class ConfigDifference:
    """What a member's configuration has otherwise than that of the newest member of another host."""

    host: str
    lacks: tuple[str, ...]
    """Offices that another member has."""
    differs: tuple[str, ...]
    """Offices whose settings another member has otherwise."""
    shared_settings: bool
    """The settings that all hosts share differ from another member's."""

    @property
    def sentence(self) -> str:
        """How it differs: "b lacks elm."."""
        other = [f"other settings of {_list_names(self.differs)}"] if self.differs else []
        other += ["other shared settings"] if self.shared_settings else []
        parts = [f"lacks {_list_names(self.lacks)}"] if self.lacks else []
        parts += [f"has {' and '.join(other)}"] if other else []
        return f"{self.host} {' and '.join(parts)}."


def _list_names(names: Collection[str]) -> str:
    shown, more = ", ".join(sorted(names)[:NAMES_IN_SENTENCE_MAX]), len(names) - NAMES_IN_SENTENCE_MAX
    return shown if more <= 0 else f"{shown} and {more:,} more"


def has_agreement(members: Collection[Member]) -> bool:
    """Whether all hosts have one configuration; those that were lost count, too, as long as they are listed.

    The last host that is left may be the one with the old file. A fleet without a living member agrees on nothing.
    """
    alive = [each for each in members if each.is_alive]
    present = {each.host for each in alive}
    lost = {
        each.host: each
        for each in sorted(members, key=lambda each: each.number)
        if each.host not in present and each.departure is not Departure.DRAINED
    }
    configs = {(each.settings, tuple(sorted(each.offices.items()))) for each in (*alive, *lost.values())}
    return bool(alive) and len(configs) == 1


def list_differences(members: Collection[Member]) -> list[ConfigDifference]:
    """What the living members' configurations have differently, by host; empty: they agree."""
    alive = sorted((each for each in members if each.is_alive), key=lambda each: (each.host, each.number))
    wanted = {name: {each.offices[name] for each in alive if name in each.offices} for name in _list_offices(alive)}
    several = len({each.settings for each in alive}) > 1
    found = []
    for each in alive:
        lacks = tuple(name for name in wanted if name not in each.offices)
        differs = tuple(name for name, prints in wanted.items() if name in each.offices and len(prints) > 1)
        if lacks or differs or several:
            found.append(ConfigDifference(each.host, lacks, differs, several))
    return found


def _list_offices(members: Collection[Member]) -> list[str]:
    return sorted({name for each in members for name in each.offices})
