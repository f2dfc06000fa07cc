"""Writes the reference of all commands, from the commands themselves, by Typer's own generator.

`python -m docs.command_reference --write` writes `commands.md` beside this file; without `--write` it is shown.
"""

import html
import re
import sys
from pathlib import Path

import typer
from typer.cli import get_docs_for_click
from typer.main import get_group

from oddaemon.cli.app import app
from oddaemon.cli.lazy_command import load_commands

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Commands

`make docs` writes this page from the commands themselves; `oddaemon COMMAND --help` shows the same.

Output is coloured on a terminal, unless `NO_COLOR` is set. `oddaemon --install-completion` installs the completion of
the current shell.

| exit status | means |
|---|---|
| 0 | done |
| 1 | failed; standard error says why, and what to do. `doctor` and `check --live`: someone must act |
| 2 | the command line is wrong |
| 3 | `status --check`: not every office is fresh |
| 78 | bad configuration: every problem is on standard error |
"""


def render_reference() -> str:
    """The page."""
    group = load_commands(get_group(app))
    context = typer.Context(group, info_name="oddaemon", obj={"TYPER_RICH_MARKUP_MODE": "rich"})
    # The first part, about all commands, is in HEAD.
    _, first, commands = html.unescape(get_docs_for_click(obj=group, ctx=context, name="oddaemon")).partition("\n## ")
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
