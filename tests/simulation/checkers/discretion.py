"""No key, no PatNum, no amount of a patient outside its tables: not in a log line, a metric, a status, a journal.

PatNums lie in a range of their own (`cast.FIRST_PAT_NUM`), keys begin with a word of their own. An amount is looked for
where text is: numbers of a log line are counts, sizes and seconds, each under its own name.
"""

import json
import re
import sqlite3
from collections.abc import Container, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from oddaemon.simulator.practice.practice import Practice
from tests.simulation.stage import Stage

DISCREET = "discreet"

_KEYS = "planted-"
_NUMBER = re.compile(r"\d+(?:\.\d\d)?(?![\d.])")
_ROW = re.compile(r"\d+,-?\d+,-?\d+,-?\d+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?|\d\d:\d\d(?::\d\d)?")
_AMOUNT_CENTS_MIN = 10_000
"""Smaller ones are like any other number."""


def judge(stage: Stage) -> None:
    """Hold everything that was said against everything that must not be."""
    world = stage.world
    said = [json.dumps(line) for line in world.lines]
    texts = [*said, world.metrics(), json.dumps(world.daemon.get_status()), *_journals(world.settings.state.path)]
    words = "\n".join(_words(world.lines))
    for sentence in leaks(texts, words, stage.practices.values()):
        stage.chronicle.find(DISCREET, "", sentence)


def leaks(texts: Iterable[str], words: str, practices: Iterable[Practice]) -> Iterator[str]:
    """What is told and should not be.

    Args:
        texts: everything that was said, whole.
        words: the sentences in it, where an amount has no business.
        practices: whose patients they are.
    """
    everything = "\n".join(texts)
    if _KEYS in everything:
        yield f"a key: …{_around(everything, everything.index(_KEYS))}…"
    if row := _ROW.search(everything):
        yield f"a row of balances: …{_around(everything, row.start())}…"
    balances = [balance for practice in practices for balance in practice.get_true_balances()]
    yield from _told(everything, {str(balance.pat_num) for balance in balances}, "a PatNum")
    amounts = {abs(cents) for balance in balances for cents in balance[2:] if abs(cents) >= _AMOUNT_CENTS_MIN}
    written = {text for cents in amounts for text in (str(cents), f"{cents // 100}.{cents % 100:02}")}
    yield from _told(_INSTANT.sub(" ", words), written, "an amount")


def _journals(database: Path) -> list[str]:
    """All that is kept of what happened to the offices."""
    with closing(sqlite3.connect(database)) as connection:
        return [fields for (fields,) in connection.execute("SELECT fields FROM journal")]


def _told(text: str, secrets: Container[str], what: str) -> Iterator[str]:
    """The first number of a text that is one of these."""
    for number in _NUMBER.finditer(text):
        if number[0] in secrets:
            yield f"{what}: …{_around(text, number.start())}…"
            return


def _words(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The sentences of log lines."""
    for line in lines:
        for value in line.values():
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                yield from (str(each) for each in value)


def _around(text: str, place: int) -> str:
    return text[max(0, place - 80) : place + 80]
