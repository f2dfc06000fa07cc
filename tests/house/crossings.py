"""How many functions a key, a balance, a changed row and a changed setting pass on their way.

`python -m tests.house.crossings` lets daemons live through nights on virtual time, and counts the functions of the
package that were given or returned the thing, or a value that holds it: a customer key from its file to the header, a
balance from the response to the database, a changed row from the database to a webhook, and a changed setting from its
file to the worker that runs by it.
"""

import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeVar

import anyio
import httpx
from starlette.responses import Response

from oddaemon.core.delivery import Content
from oddaemon.core.model import Balance
from oddaemon.core.secret import Secret
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.settings import SinkSettings
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from tests.engine.config_files import make_config_files
from tests.engine.delivery.fake_consumer import make_sink_settings
from tests.engine.night import SMALL, night
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX

PACKAGE = str(Path(__file__).parents[2] / "oddaemon") + "/"
NOT_COUNTED = (PACKAGE + "simulator/", PACKAGE + "cli/")
KEY = CUSTOMER_KEY_PREFIX + "smile"
FRESH_BY = "06:13"
"""The changed setting."""
STARTED = "Worker.__init__"
"""The function that makes a worker by its settings."""
ITEMS_MAX = 100

T = TypeVar("T")


class Tracer:
    """Collects the code objects that a thing passes.

    Args:
        holds: Whether a value is the thing or holds it.
        ends_at: The function whose call ends the way; "": the end of the night does.
    """

    def __init__(self, holds: Callable[[object], bool], ends_at: str = "") -> None:
        self._holds = holds
        self._ends_at = ends_at
        self.is_active = True
        self.passed: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if (
            not self.is_active
            or not code.co_filename.startswith(PACKAGE)
            or code.co_filename.startswith(NOT_COUNTED)
            or code in self.passed
        ):
            return
        if event == "call":
            self.is_active = code.co_qualname != self._ends_at
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            values = [frame.f_locals.get(name) for name in names if name not in {"self", "cls"}]
        elif event == "return":
            values = [arg]
        else:
            return
        if any(map(self._holds, values)):
            self.passed.add(code)


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


def holds_setting(value: object, depth: int = 4) -> bool:
    """Whether a value is the changed setting, or settings that contain it."""
    if isinstance(value, str):
        return value == FRESH_BY
    if isinstance(value, time):
        return value.isoformat("minutes") == FRESH_BY
    return depth > 0 and any(holds_setting(each, depth - 1) for each in iter_held(value))


def make_holds_row(pat_num: int, dollars: str, levels: int = 3) -> Callable[[object], bool]:
    """Whether a value is the balance of this guarantor, its text, or a collection or value object of such."""

    def is_row(value: object) -> bool:
        if isinstance(value, Balance):
            return value.pat_num == pat_num
        if isinstance(value, bytes):
            return str(pat_num).encode() in value and dollars.encode() in value
        return isinstance(value, str) and str(pat_num) in value and dollars in value

    def holds(value: object, depth: int = levels) -> bool:
        return is_row(value) or (depth > 0 and any(holds(each, depth - 1) for each in iter_held(value)))

    return holds


def trace(tracer: Tracer) -> None:
    sys.setprofile(tracer)
    threading.setprofile(tracer)


def untrace() -> None:
    sys.setprofile(None)
    threading.setprofile(None)


async def live(tracer: Tracer, directory: Path) -> None:
    files = make_config_files(directory, "smile")
    trace(tracer)
    settings = files.write_and_load()
    async with night(directory, [SMALL], settings=settings) as world:
        await world.wait_for_snapshots(2)
        untrace()


async def change_setting(tracer: Tracer, directory: Path) -> None:
    files = make_config_files(directory, "smile")
    trace(tracer)
    async with night(directory, [SMALL], settings=files.write_and_load()) as world:
        files.offices["smile"]["fresh_by"] = FRESH_BY
        world.set_wanted(files.write_and_load())
        tracer.passed, tracer.is_active = set(), True
        await world.daemon.reload(ReloadTrigger.COMMAND)
        await world.wait_for_event("office_started", 2)
        untrace()


def make_webhook(_settings: SinkSettings) -> Webhook:
    """A webhook whose receiver acknowledges everything."""
    options = WebhookOptions("http://consumer/", b"x" * 32, rows_max=1000, timeout_seconds=60.0, compressed=True)
    return Webhook(options, lambda: datetime.now(UTC), transport=lambda: httpx.ASGITransport(Response(status_code=204)))


async def deliver(tracer: Tracer, directory: Path, sinks: Sequence[SinkSettings] = ()) -> None:
    """Two nights, whose changes go to the sinks."""
    trace(tracer)
    async with night(directory, [SMALL], sinks=sinks, make_sink=make_webhook) as world:
        await world.wait_for_snapshots(2)
        await world.wait_for_event("delivery_succeeded", 2 * len(sinks))
        untrace()


async def find_row(directory: Path) -> tuple[int, str]:
    async with night(directory, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        balance = max((await world.read_balances()), key=lambda each: each.bal_total)
        return balance.pat_num, str(balance.bal_total // 100)


async def find_changed_row(directory: Path) -> tuple[int, str]:
    async with night(directory, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        first = {each.pat_num: each for each in await world.read_balances()}
        await world.wait_for_snapshots(2)
        later = [each for each in await world.read_balances() if first.get(each.pat_num, each) != each]
        changed = max(later, key=lambda each: each.bal_total)
        return changed.pat_num, str(changed.bal_total // 100)


def run(what: Callable[[Path], Awaitable[T]]) -> T:
    with tempfile.TemporaryDirectory() as directory:
        return anyio.run(what, Path(directory), backend_options={"loop_factory": make_virtual_loop})


def measure() -> dict[str, set[CodeType]]:
    """The functions of each way."""
    key, row, setting = Tracer(holds_key), Tracer(make_holds_row(*run(find_row))), Tracer(holds_setting, STARTED)
    run(partial(live, key))
    run(partial(live, row))
    run(partial(change_setting, setting))
    changed = make_holds_row(*run(find_changed_row), levels=5)
    published, delivered = Tracer(changed), Tracer(changed)
    run(partial(deliver, published))
    run(partial(deliver, delivered, sinks=[make_sink_settings(content=Content.CHANGES)]))
    return {
        "a customer key, from its file to the header": key.passed,
        "a balance, from the answer to the database": row.passed,
        "a changed row, from the database to a webhook": delivered.passed - published.passed,
        "a changed setting, from its file to the running worker": setting.passed,
    }


def main() -> None:
    """Write the figures to standard output, with `--list` each function, too."""
    for way, passed in measure().items():
        files = {code.co_filename for code in passed}
        lines = [f"{way}: {len(passed)} functions in {len(files)} files"]
        if "--list" in sys.argv:
            lines += sorted(f"  {each.co_filename.removeprefix(PACKAGE)}:{each.co_qualname}" for each in passed)
        sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
