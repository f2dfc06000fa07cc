"""A night of sixty simulated offices on three hosts that share one PostgreSQL, all real processes of this machine.

python -m tests.fleet.demo

While the offices' aging completes, one host is killed, one stands still for half a minute, and the database restarts.
At the end every snapshot is compared to the cent with the office's own table, and every request with what each key and
each network may be asked. It ends with 0 only if all of it is right.
"""

import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from rich.console import Console
from rich.table import Table

from oddaemon.cli.demo.simulator_client import SimulatorClient
from oddaemon.core.model import OfficeSpec
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import offices, snapshots
from oddaemon.store.opening import open_for_reading
from tests.fleet.evidence import Sample, Violation
from tests.fleet.fleet import Fleet, make_offices, running_fleet
from tests.postgres_server import find_missing_requirement

HOSTS = "abc"
OFFICES = 60
NIGHT_SECONDS = 40.0
"""In which all offices age, one after another."""
STOPPED_SECONDS = 25.0
"""Longer than a lease."""
PUBLISHED_SECONDS = 180.0
"""After a host was killed an office may be asked again within 80 s."""
SHOWN_MAX = 10


class Report:
    """What is printed: each step with its second, then the verdict."""

    def __init__(self, console: Console) -> None:
        self.failures = 0
        self._console = console
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print a step."""
        self._console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {text}")

    def judge(self, *, is_right: bool, text: str) -> None:
        """Print a result, and count it if it is wrong."""
        self.failures += not is_right
        self._console.print(f"[bold green]  right[/]  {text}" if is_right else f"[bold red]  wrong[/]  {text}")

    def show_hosts(self, fleet: Fleet) -> None:
        """Print who holds what."""
        table = Table("host", "stage", "offices", box=None, pad_edge=False, padding=(0, 2))
        for each in fleet.sample.members.values():
            held = str(len(fleet.sample.list_held(each.host))) if each.is_alive else "-"
            table.add_row(each.host, each.stage, held)
        self._console.print(table)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Print what begins, and how long it took."""
        self.say(text)
        began = time.monotonic()
        yield
        self.say(f"  done, {time.monotonic() - began:.1f} s later")


async def age_all(fleet: Fleet, names: Sequence[str]) -> None:
    """Run aging in every office, evenly over the night."""
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(fleet.simulator.run_aging, name)
            await anyio.sleep(NIGHT_SECONDS / len(names))


async def count_published(fleet: Fleet) -> int:
    """How many offices have a snapshot of this night: their first one is of the night before."""
    rows = await fleet.observer.fetch(
        "SELECT count(*) FROM (SELECT 1 FROM snapshot GROUP BY office HAVING count(*) > 1) n"
    )
    return int(rows[0][0])


async def play(fleet: Fleet, report: Report) -> None:
    """The night, with all that happens in it."""
    names = [str(table["id"]) for table in fleet.hosts["a"].offices]
    with report.step(f"Three hosts start: {OFFICES} offices find their places."):
        await fleet.start(*HOSTS)
        await wait_until(partial(_has_first, fleet))
    report.show_hosts(fleet)
    async with anyio.create_task_group() as tasks:
        report.say(f"The night begins: aging runs in all offices within {NIGHT_SECONDS:.0f} s.")
        tasks.start_soon(age_all, fleet, names)
        await anyio.sleep(NIGHT_SECONDS / 4)
        report.say("Host b is killed (kill -9).")
        fleet.hosts["b"].send_signal(signal.SIGKILL)
        await anyio.sleep(NIGHT_SECONDS / 8)
        report.say("PostgreSQL restarts.")
        await anyio.to_thread.run_sync(fleet.server.restart, "fast")
        with report.step("Host b's offices go to a and c."):
            await fleet.wait_for(partial(is_all_held, hosts="ac"), "a and c hold everything")
        report.say(f"Host c stands still for {STOPPED_SECONDS:.0f} s (SIGSTOP), and comes back as another member.")
        fleet.hosts["c"].send_signal(signal.SIGSTOP)
        await anyio.sleep(STOPPED_SECONDS)
        fleet.hosts["c"].send_signal(signal.SIGCONT)
    with report.step("The rest of the night's balances are read."):
        await wait_until(partial(_has_published, fleet))
    report.show_hosts(fleet)


def is_all_held(sample: Sample, hosts: str) -> bool:
    """Whether these hosts hold every office."""
    return sum(len(sample.list_held(host)) for host in hosts) == OFFICES


async def _has_first(fleet: Fleet) -> bool:
    return int((await fleet.observer.fetch("SELECT count(DISTINCT office) FROM snapshot"))[0][0]) == OFFICES


async def _has_published(fleet: Fleet) -> bool:
    return await count_published(fleet) == OFFICES


async def wait_until(condition: Callable[[], Awaitable[bool]], seconds: float = PUBLISHED_SECONDS) -> None:
    """Poll a condition of the tables."""
    with anyio.move_on_after(seconds):
        while True:
            if await condition():
                return
            await anyio.sleep(0.5)


async def judge(fleet: Fleet, report: Report) -> None:
    """Compare everything with what is true."""
    simulator = SimulatorClient(urlsplit(fleet.simulator.base_url).netloc)
    runs = await simulator.fetch_completed_runs()
    wrong, compared, published = list[str](), 0, 0
    async with open_for_reading(fleet.server.make_dsn()) as database:
        for office in await offices.list_all(database):
            stored = await snapshots.list_latest(database, office.id, 100)
            published += len(stored) > 1
            for each in stored:
                balances = await snapshots.load_balances(database, office.id, each.id)
                compared += len(balances)
                since = runs[office.id].get(each.aging_date)
                if compute_totals(balances) != each.totals:
                    wrong.append(f"snapshot {each.id} of {office.id} does not add up")
                if each is stored[0] and (
                    why := await simulator.compare_balances(OfficeSpec(office.id, office.name), balances, since)
                ):
                    wrong.append(f"snapshot {each.id} of {office.id}: {why}")
    report.judge(is_right=published == OFFICES, text=f"{published} of {OFFICES} offices have this night's balances")
    report.judge(is_right=not wrong, text=f"{compared:,} balances compared to the cent {'; '.join(wrong[:SHOWN_MAX])}")
    requests = await fleet.simulator.list_requests()
    violations = await fleet.find_violations(requests)
    report.judge(is_right=not violations, text=_describe(len(requests), violations))


def _describe(requests: int, violations: Sequence[Violation]) -> str:
    if violations:
        return "; ".join(map(str, violations[:SHOWN_MAX]))
    return (
        f"{requests:,} requests of all hosts: never two in flight on a key, every pace, both caps and every "
        "Retry-After kept; no write without its lease, nothing published twice, nothing lost"
    )


async def main() -> int:
    """Run the demo; returns its exit status."""
    console = Console(highlight=False)
    if missing := find_missing_requirement():
        console.print(f"The demo needs a PostgreSQL server's programs: {missing}.")
        return 1
    report = Report(console)
    async with running_fleet(HOSTS, make_offices(OFFICES)) as fleet:
        await play(fleet, report)
        await judge(fleet, report)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(anyio.run(main))
