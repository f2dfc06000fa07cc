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
from tests.simulation.environment import SimulationEnvironment

CONFIDENTIAL = "discreet"

_KEYS = "planted-"
_NUMBER = re.compile(r"\d+(?:\.\d\d)?(?![\d.])")
_ROW = re.compile(r"\d+,-?\d+,-?\d+,-?\d+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?|\d\d:\d\d(?::\d\d)?")
_AMOUNT_CENTS_MIN = 10_000
"""Smaller ones look like any other number."""


def check(environment: SimulationEnvironment) -> None:
    """Search everything that was written for everything that must not be in it."""
    world = environment.world
    log_lines = [json.dumps(line) for line in world.lines]
    texts = [
        *log_lines,
        world.render_metrics(),
        json.dumps(world.daemon.get_status()),
        *_read_journals(world.settings.state.path),
    ]
    sentences = "\n".join(_iterate_sentences(world.lines))
    for sentence in find_leaks(texts, sentences, environment.practices.values()):
        environment.event_log.add_complaint(CONFIDENTIAL, "", sentence)


def find_leaks(texts: Iterable[str], sentences: str, practices: Iterable[Practice]) -> Iterator[str]:
    """Texts that hold what they must not.

    Args:
        texts: everything that was said, whole.
        words: the sentences in it, where an amount has no business.
        practices: whose patients they are.
    """
    everything = "\n".join(texts)
    if _KEYS in everything:
        yield f"a key: …{_get_excerpt(everything, everything.index(_KEYS))}…"
    if row := _ROW.search(everything):
        yield f"a row of balances: …{_get_excerpt(everything, row.start())}…"
    balances = [balance for practice in practices for balance in practice.balances.get_true_balances()]
    yield from _find_numbers(everything, {str(balance.pat_num) for balance in balances}, "a PatNum")
    amounts = {abs(cents) for balance in balances for cents in balance[2:] if abs(cents) >= _AMOUNT_CENTS_MIN}
    written = {text for cents in amounts for text in (str(cents), f"{cents // 100}.{cents % 100:02}")}
    yield from _find_numbers(_INSTANT.sub(" ", sentences), written, "an amount")


def _read_journals(database: Path) -> list[str]:
    """The journals of all offices."""
    with closing(sqlite3.connect(database)) as connection:
        return [fields for (fields,) in connection.execute("SELECT fields FROM journal")]


def _find_numbers(text: str, secrets: Container[str], what: str) -> Iterator[str]:
    """The first number of a text that is one of these."""
    for number in _NUMBER.finditer(text):
        if number[0] in secrets:
            yield f"{what}: …{_get_excerpt(text, number.start())}…"
            return


def _iterate_sentences(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The sentences of log lines."""
    for line in lines:
        for value in line.values():
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                yield from (str(each) for each in value)


def _get_excerpt(text: str, position: int) -> str:
    return text[max(0, position - 80) : position + 80]
