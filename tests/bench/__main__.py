"""All benches, as one table: `make bench`."""

from rich.console import Console
from rich.table import Table

from tests.bench import delivery, export, false_holds, fleets, idle, in_flight, load, memory, pages, throughput
from tests.bench.store import databases, history

TITLES = (
    ("reading offices, throttle off, loopback", throughput.measure),
    ("many offices in flight", in_flight.measure),
    ("watching", idle.measure),
    ("memory of what others send", memory.measure),
    ("a whole night", load.measure),
    ("several hosts", fleets.measure),
    ("believing", false_holds.measure),
    ("a file and a server", databases.measure),
    ("publishing and delivering", delivery.measure),
    ("a year of nights", history.measure),
    ("export", export.measure),
    ("the pages", pages.measure),
)


def main() -> None:
    """Measure and print."""
    table = Table("what", "here", "goal", title="oddaemon on this machine")
    for title, measure in TITLES:
        table.add_section()
        table.add_row(f"[bold]{title}")
        for what, figure, goal in measure():
            table.add_row(what, figure, goal)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
