"""What `top` shows, drawn for the size of the terminal: a head, the offices that fit, and the keys."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from oddaemon.cli.status import next_of, owner_of, since_of, why_of
from oddaemon.cli.words import STYLES, ahead, duration
from oddaemon.core.model import Condition
from oddaemon.core.standing import WORST_FIRST
from oddaemon.core.status import OfficeDocument
from oddaemon.engine.inspector import FleetDocument

HEAD_LINES = 3
OTHER_LINES = HEAD_LINES + 2
"""The table's header and the keys."""
WIDE_COLUMNS = 110
"""From here on there is room for more than the question what is wrong."""
ID_WIDTH_MAX = 28
KEYS = "q quit   ↑↓ PgUp PgDn scroll   c condition   / search"


@dataclass(slots=True)
class View:
    """What somebody chose to see."""

    first: int = 0
    """How many offices are scrolled away."""
    condition: Condition | None = None
    text: str = ""
    typing: bool = False
    """Whether the text is being typed."""

    def takes(self, office: OfficeDocument) -> bool:
        """Whether an office is among what is to be seen."""
        words = f"{office['id']} {office['name']} {office['reason']} {' '.join(office['labels'].values())}"
        return self.condition in {None, office["condition"]} and self.text.casefold() in words.casefold()

    def widen(self) -> None:
        """Show all of them again."""
        self.condition, self.text = None, ""

    def turn_condition(self, there: Collection[str]) -> None:
        """The offices of the next condition alone that any is in; after the last one, all."""
        choices = [None, *(each for each in WORST_FIRST if each in there or each is self.condition)]
        self.condition = choices[(choices.index(self.condition) + 1) % len(choices)]

    def begin_typing(self) -> None:
        """From now on keys are a text to look for."""
        self.typing, self.text = True, ""

    def type(self, key: str) -> None:
        """A key of that text, or its end."""
        match key:
            case "enter":
                self.typing = False
            case "escape":
                self.typing, self.text = False, ""
            case "backspace":
                self.text = self.text[:-1]
            case _ if len(key) == 1:
                self.text += key

    def scroll(self, key: str, page: int, offices: int) -> None:
        """Go where the key leads, of so many offices with so many on a page; never past either end."""
        steps = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "page up": -page,
            "page down": page,
            " ": page,
            "home": -offices,
            "g": -offices,
            "end": offices,
            "G": offices,
        }
        self.first = max(0, min(self.first + steps.get(key, 0), offices - page))


def rows_shown(height: int) -> int:
    """How many offices fit on a screen of so many lines."""
    return max(1, height - OTHER_LINES)


@dataclass(frozen=True, slots=True)
class Screen:
    """One picture of the fleet."""

    fleet: FleetDocument
    remark: str
    offices: Sequence[OfficeDocument]
    """Those to be seen, the worst first."""
    view: View
    rate: float | None
    """Requests a second."""
    width: int
    height: int | None
    """None: as long as it gets."""
    now: datetime

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A head, the table, the keys."""
        yield from self._head()
        fitting = self.offices
        if self.height is not None:
            fitting = self.offices[self.view.first : self.view.first + rows_shown(self.height)]
        yield self._table(fitting)
        if self.height is not None:
            filling = rows_shown(self.height) - len(fitting)
            yield from (Text("") for _ in range(filling))
            yield Text(self._foot(len(fitting)), style="reverse", no_wrap=True, overflow="ellipsis", end="")

    def _head(self) -> Iterator[RenderableType]:
        yield self._line(*self._daemon())
        yield self._line(*self._conditions())
        yield self._line(*self._work())

    def _line(self, *parts: Text) -> Text:
        line = Text("  ", no_wrap=True, overflow="ellipsis").join(parts)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _daemon(self) -> Iterator[Text]:
        yield Text(f"{self.now.astimezone():%H:%M:%S}", style="bold")
        daemon = self.fleet["daemon"]
        if daemon is None:
            yield Text(f"{self.remark}.", style="bold yellow")
            return
        up = duration(self.now - datetime.fromisoformat(daemon["started_at"]))
        yield Text(f"oddaemon {daemon['version']}, up {up}")
        if not daemon["ready"]:
            yield Text(f"not ready: {daemon['reason']}", style="bold red")

    def _conditions(self) -> Iterator[Text]:
        counts = Counter(office["condition"] for office in self.fleet["offices"])
        total = counts.total()
        yield Text(f"{total:,} office{'' if total == 1 else 's'}", style="bold")
        for condition in WORST_FIRST:
            if counts[condition]:
                yield Text(f"{counts[condition]:,} {condition}", style=STYLES[condition])

    def _work(self) -> Iterator[Text]:
        daemon = self.fleet["daemon"]
        if daemon is not None:
            yield Text("-" if self.rate is None else f"{self.rate:.1f}", style="bold").append(" requests/s")
            yield Text(f"{daemon['requests_in_flight']:,}", style="bold").append(" in flight")
        due = [(at, office) for office in self.fleet["offices"] if (at := office["next_action_at"]) is not None]
        if due:
            at, office = min(due, key=lambda pair: pair[0])
            when = ahead(datetime.fromisoformat(at), self.now)
            yield Text(f"next {when}: {office['id']} {office['next_action']}", style="dim")

    def _table(self, offices: Sequence[OfficeDocument]) -> Table:
        wide = self.width >= WIDE_COLUMNS
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True, header_style="bold underline")
        # Of all offices, so that no column moves while somebody scrolls.
        longest = max((len(office["id"]) for office in self.offices), default=0)
        table.add_column("OFFICE", width=min(max(longest, len("OFFICE")), ID_WIDTH_MAX), no_wrap=True)
        table.add_column("CONDITION", width=max(map(len, Condition)), no_wrap=True)
        table.add_column("FOR", width=len("59 min"), justify="right", no_wrap=True)
        if wide:
            table.add_column("AGED", width=len("2026-03-08"), no_wrap=True)
            table.add_column("SNAPSHOT", width=len("2026-03-08"), no_wrap=True)
            table.add_column("GUARANTORS", width=len("GUARANTORS"), justify="right", no_wrap=True)
        table.add_column("NEXT", width=len("in 59 min"), no_wrap=True)
        if wide:
            table.add_column("WHO ACTS", width=len("Open Dental"), no_wrap=True)
        table.add_column("WHY", ratio=1, no_wrap=True, overflow="ellipsis")
        for office in offices:
            table.add_row(*self._cells(office, wide=wide))
        return table

    def _cells(self, office: OfficeDocument, *, wide: bool) -> Iterator[Text]:
        snapshot, style = office["snapshot"], STYLES[Condition(office["condition"])]
        yield Text(office["id"])
        yield Text(office["condition"], style=style)
        yield Text(duration(since_of(office, self.now)))
        if wide:
            yield Text(office["aging_date"] or "-")
            yield Text("-" if snapshot is None else snapshot["aging_date"])
            yield Text("-" if snapshot is None else f"{snapshot['guarantors']:,}")
        yield Text(next_of(office, self.now))
        if wide:
            yield Text(owner_of(office))
        yield Text(why_of(office))

    def _foot(self, shown: int) -> str:
        if self.view.typing:
            return f" / {self.view.text}▏ Enter keeps it, Esc forgets it".ljust(self.width)
        first = self.view.first + 1 if shown else 0
        place = f"{first:,}-{self.view.first + shown:,} of {len(self.offices):,}"
        chosen = [f"condition: {self.view.condition}"] if self.view.condition else []
        chosen += [f"search: {self.view.text}"] if self.view.text else []
        return f" {'   '.join([place, *chosen, KEYS])}".ljust(self.width)
