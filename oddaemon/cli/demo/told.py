"""What the daemon's log has told so far, over both of its lives."""

from dataclasses import dataclass, field

from oddaemon.cli.demo.journal import Event


@dataclass(slots=True)
class Told:
    """A summary of all events taken in.

    Attributes:
        victim: the office in whose pull the daemon is to be killed.
        listen: where the present daemon answers over HTTP; empty until it is ready.
        dates: the aging dates of the victim, as the daemon saw them.
        rows: rows of the victim's present pull that are stored.
        rows_of: how many there will be.
        resumed_rows: with how many of them its present pull began.
        crashes: workers that a programmer's error has ended.
    """

    victim: str
    listen: str = ""
    dates: set[str] = field(default_factory=set)
    rows: int = 0
    rows_of: int = 0
    resumed_rows: int = 0
    crashes: int = 0

    def take(self, event: Event) -> None:
        """Take in one event more."""
        match event:
            case {"event": "daemon_ready", "listen": str(listen)}:
                self.listen = listen
            case {"event": "aging_observed", "office": self.victim, "aging_date": str(aging_date)}:
                if aging_date not in self.dates:
                    # What is read of the day before is thrown away: it is not half of tonight's pull.
                    self.dates.add(aging_date)
                    self.rows = self.rows_of = 0
            case {"event": "page_stored", "office": self.victim, "rows": int(rows), "of": int(of)}:
                self.rows, self.rows_of = rows, of
            case {"event": "pull_started", "office": self.victim, "resumed_rows": int(rows)}:
                self.rows = self.resumed_rows = rows
                self.rows_of = 0
            case {"event": "worker_crashed"}:
                self.crashes += 1
            case _:
                pass

    @property
    def is_half_read(self) -> bool:
        """The victim's pull of tonight, not the first one of the day before, is about half-way."""
        return len(self.dates) > 1 and self.rows_of // 2 <= self.rows < self.rows_of
