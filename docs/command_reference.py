"""Writes the reference of all commands, from the commands themselves, by Typer's own generator.

`python -m docs.command_reference --write` writes `commands.md` beside this file; without `--write` it is shown.
"""

import html
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Commands

Written by `make docs` from the commands themselves; `oddaemon COMMAND --help` says the same.

Colours are left out where `NO_COLOR` is set or the output is no terminal. `oddaemon --install-completion` sets up the
completion of the shell that is running.

| exit status | means |
|---|---|
| 0 | done |
| 1 | failed; standard error says what, and what to do. `doctor` and `check --live`: a human must act |
| 2 | not typed as the command wants it |
| 3 | `status --check`: not every office is fresh |
| 78 | bad configuration: every problem is on standard error |
"""
GENERATE = ("typer", "oddaemon.cli.app", "utils", "docs", "--name", "oddaemon")


def render_reference() -> str:
    """The page."""
    made = subprocess.run([sys.executable, "-m", *GENERATE], check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    # Of the first part, which is about all commands, the head says the same better.
    _, first, commands = html.unescape(made.stdout).partition("\n## ")
    text = re.sub(r"^Examples?:((?:\n\[bold\].*)+)$", _format_examples, first + commands, flags=re.MULTILINE)
    bare = re.sub(r"\[/?bold\]", "", text)
    return f"{HEAD}{bare.rstrip()}\n"


def _format_examples(lines: re.Match[str]) -> str:
    typed = re.findall(r"\[bold\](.*?)\[/bold\]", lines[1])
    return "\n".join(["**Examples**:", "", "```console", *(f"$ {example}" for example in typed), "```"])


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(render_reference(), encoding="utf-8")
    else:
        print(render_reference())  # noqa: T201
