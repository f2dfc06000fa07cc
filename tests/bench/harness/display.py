"""Shows a run as it goes: each figure when it is measured, and below it what is measured now."""

import sys
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from tests.bench.harness.figure import Figure, Skip, Step
from tests.bench.harness.text import NAME_WIDTH, format_line


class Display:
    """A terminal gets a progress bar. A pipe gets the figures, and standard error what is measured now."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        # A thread that refreshes the bar would count as processor time of what is measured.
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), console=self._console, auto_refresh=False, transient=True
        )
        self._task = self._progress.add_task("", total=None)
        self._section = ""
        self._last_step = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show_section(self, name: str, title: str) -> None:
        """A section begins."""
        self._section = name
        self._print(Text(f"{name}: {title}", style="bold"))
        self.show_step(Step("starting"))

    def show_step(self, step: Step) -> None:
        """Something else is measured now."""
        if self._console.is_terminal:
            self._progress.update(
                self._task, description=f"{self._section}: {step.what}", completed=step.done, total=step.total or None
            )
            self._progress.refresh()
        elif step.what != self._last_step:
            count = f" ({step.done + 1} of {step.total})" if step.total else ""
            sys.stderr.write(f"... {self._section}: {step.what}{count}\n")
            sys.stderr.flush()
        self._last_step = step.what

    def show_figure(self, figure: Figure) -> None:
        """A figure is known."""
        style = {True: "green", False: "red", None: ""}[figure.reaches_goal]
        self._print(Text(format_line(figure), style=style))

    def show_skip(self, skip: Skip) -> None:
        """A figure cannot be measured here."""
        self._print(Text(f"  {skip.name:<{NAME_WIDTH}} not measured: {skip.why}", style="yellow"))

    def show_failure(self, what: str) -> None:
        """A section ended early."""
        self._print(Text(f"  FAILED: {what}", style="bold red"))

    def _print(self, text: Text) -> None:
        self._console.print(text)
        self._console.file.flush()
