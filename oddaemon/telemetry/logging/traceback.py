"""Tracebacks without patient data and secrets.

Frames are shown without their locals. A message is shown only for exceptions whose messages hold no data: our own and
the system's. Other exceptions quote their input, which may be a balance or a key.
"""

import sqlite3
from collections.abc import Iterator
from traceback import extract_tb

OWN_PACKAGE = __name__.partition(".")[0]

CHAIN_MAX = 10
"""Exceptions shown of one crash; a group of a thousand says no more than its first ten."""


def format_traceback(error: BaseException) -> str:
    """The traceback of `error` and of its causes, oldest first, one frame a line."""
    chain = _collect_chain(error)
    return "\n".join(line for link in chain for line in (*_format_frames(link), _format_headline(link)))


def find_crash_place(error: BaseException) -> str:
    """Where an exception was raised: file and line of the innermost frame of oddaemon, or of any if it has none."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"/{OWN_PACKAGE}/" in frame.filename]
    for frame in (own or frames)[-1:]:
        return f"{frame.filename.rpartition(f'/{OWN_PACKAGE}/')[2]}:{frame.lineno}"
    return ""


def _collect_chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    pending = [error]
    while pending and len(chain) < CHAIN_MAX:
        link = pending.pop()
        if link in chain:
            continue
        chain.append(link)
        if isinstance(link, BaseExceptionGroup):
            pending.extend(reversed(link.exceptions))
        if link.__cause__ is not None:
            pending.append(link.__cause__)
        elif link.__context__ is not None and not link.__suppress_context__:
            pending.append(link.__context__)
    return chain[::-1]


def _format_frames(error: BaseException) -> Iterator[str]:
    for frame in extract_tb(error.__traceback__):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        if frame.line:
            yield f"    {frame.line}"


def _format_headline(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.partition(".")[0] == OWN_PACKAGE or isinstance(error, OSError | sqlite3.Error):
        return f"{name}: {error}"
    return f"{name} (its message is withheld: it may hold data)"
