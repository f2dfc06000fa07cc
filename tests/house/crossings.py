"""How many functions a key and a balance pass on their way, counted while a daemon lives through a night.

`python -m tests.house.crossings` loads a configuration, runs a daemon on virtual time until its second snapshot is
delivered, and counts the functions of the package that were given or returned the thing, or a value that holds it.
"""

import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeVar

import anyio

from oddaemon.core.model import Balance
from oddaemon.core.secret import Secret
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.engine.config_files import make_config_files
from tests.engine.night import SMALL, night
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX

PACKAGE = str(Path(__file__).parents[2] / "oddaemon") + "/"
NOT_COUNTED = (PACKAGE + "simulator/", PACKAGE + "cli/")
KEY = CUSTOMER_KEY_PREFIX + "smile"
ITEMS_MAX = 100

T = TypeVar("T")


class Tracer:
    """Collects the code objects that a thing passes."""

    def __init__(self, holds: Callable[[object], bool]) -> None:
        self._holds = holds
        self.passed: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_filename.startswith(NOT_COUNTED) or code in self.passed:
            return
        if event == "call":
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            values = [frame.f_locals.get(name) for name in names if name not in {"self", "cls"}]
        elif event == "return":
            values = [arg]
        else:
            return
        if any(map(self._holds, values)):
            self.passed.add(code)

    def describe(self) -> str:
        files = {code.co_filename for code in self.passed}
        return f"{len(self.passed)} functions in {len(files)} files"


def iter_held(value: object) -> Iterator[object]:
    """What a value holds directly."""
    if isinstance(value, dict):
        yield from list(value.values())[:ITEMS_MAX]
    elif isinstance(value, list | tuple | set | frozenset):
        yield from list(value)[:ITEMS_MAX]
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (getattr(value, field.name, None) for field in fields(value))


def holds_key(value: object) -> bool:
    """Whether a value is the customer key, or directly holds it."""
    return is_key(value) or any(map(is_key, iter_held(value)))


def is_key(value: object) -> bool:
    return value == KEY if isinstance(value, str) else isinstance(value, Secret) and value.reveal() == KEY


def make_holds_row(pat_num: int, dollars: str) -> Callable[[object], bool]:
    """Whether a value is the balance of this guarantor, its text, or a collection or value object of such."""

    def is_row(value: object) -> bool:
        if isinstance(value, Balance):
            return value.pat_num == pat_num
        if isinstance(value, bytes):
            return str(pat_num).encode() in value and dollars.encode() in value
        return isinstance(value, str) and str(pat_num) in value and dollars in value

    def holds(value: object, depth: int = 3) -> bool:
        return is_row(value) or (depth > 0 and any(holds(each, depth - 1) for each in iter_held(value)))

    return holds


def trace(tracer: Tracer) -> None:
    sys.setprofile(tracer)
    threading.setprofile(tracer)


async def live(tracer: Tracer, directory: Path) -> None:
    files = make_config_files(directory, "smile")
    trace(tracer)
    settings = files.write_and_load()
    async with night(directory, [SMALL], settings=settings) as world:
        await world.wait_for_snapshots(2)
        sys.setprofile(None)
        threading.setprofile(None)


async def find_row(directory: Path) -> tuple[int, str]:
    async with night(directory, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        balance = max((await world.read_balances()), key=lambda each: each.bal_total)
        return balance.pat_num, str(balance.bal_total // 100)


def run(what: Callable[[Path], Awaitable[T]]) -> T:
    with tempfile.TemporaryDirectory() as directory:
        return anyio.run(what, Path(directory), backend_options={"loop_factory": make_virtual_loop})


def main() -> None:
    """Write the figures to standard output, with `--list` each function, too."""
    key = Tracer(holds_key)
    run(partial(live, key))
    row = Tracer(make_holds_row(*run(find_row)))
    run(partial(live, row))
    lines = [
        f"a customer key, from its file to the header: {key.describe()}",
        f"a balance, from the answer to the database: {row.describe()}",
    ]
    if "--list" in sys.argv:
        lines += sorted(
            f"  {each.co_filename.removeprefix(PACKAGE)}:{each.co_qualname}" for each in key.passed | row.passed
        )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
