"""Whether a telling with kills came to the same as the one without, and what it cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from tests.crash.ambush import Asked
from tests.crash.telling import Told

FETCHES = (Asked.STATEMENT, Asked.PAGE)
"""What brings balances; a control is only asked together with one."""
LINES_MAX = 30
LINE_LENGTH_MAX = 200


@dataclass(frozen=True)
class Rehearsal:
    """The uninterrupted telling of a scene."""

    told: Told
    commits: int


def fetched_again(told: Told, rehearsal: Rehearsal) -> dict[str, int]:
    """How many pages, or statements of a packed office, each office gave more often than without kills."""
    offices = {office_id for office_id, _ in rehearsal.told.fetched}
    return {
        office_id: sum(told.fetched[office_id, asked] - rehearsal.told.fetched[office_id, asked] for asked in FETCHES)
        for office_id in offices
    }


def complaints_of(told: Told, rehearsal: Rehearsal) -> Iterator[str]:
    """What is wrong with a telling; nothing: no kill has left a trace."""
    yield from told.wrong
    if told.remains and told.remains != rehearsal.told.remains:
        yield f"the database is another one than without kills:\n{difference(rehearsal.told.remains, told.remains)}"
    for office_id, again in fetched_again(told, rehearsal).items():
        if again > told.kills:
            yield f"{again} pages of {office_id} were fetched again for {told.kills} kills"
    for (office_id, asked), times in told.fetched.items():
        again = times - rehearsal.told.fetched[office_id, asked]
        if asked is Asked.CONTROL and again > told.kills:
            yield f"{again} controls of {office_id} were taken again for {told.kills} kills"


def difference(expected: bytes, found: bytes) -> str:
    """What of two remains is not equal, column by column."""
    lines = unified_diff(_columns(expected), _columns(found), "without kills", "with", n=1, lineterm="")
    shown = [line[:LINE_LENGTH_MAX] for line in lines]
    return "\n".join([*shown[:LINES_MAX], *(["..."] if len(shown) > LINES_MAX else [])])


def _columns(remains: bytes) -> list[str]:
    return remains.decode().replace(', "', ',\n    "').split("\n")
