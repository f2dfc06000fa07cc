"""The commands that run the daemon and look at its configuration."""

import signal
from typing import Annotated

import typer

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import DAEMON_PANEL, OFFICES_PANEL, AsJson, Config, format_examples

DEFAULT_CONCURRENCY = 16
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="How many offices are examined at once.")]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.command(
        rich_help_panel=DAEMON_PANEL,
        epilog=format_examples("oddaemon run", "oddaemon run --config /etc/oddaemon/oddaemon.toml"),
    )(run)
    app.command(
        rich_help_panel=DAEMON_PANEL,
        epilog=format_examples("oddaemon check", "oddaemon check --plan", "oddaemon check --live"),
    )(check)
    app.command(
        rich_help_panel=OFFICES_PANEL, epilog=format_examples("oddaemon doctor bright-smiles", "oddaemon doctor")
    )(doctor)
    app.command(rich_help_panel=DAEMON_PANEL, epilog=format_examples("oddaemon check --plan", "oddaemon reload"))(
        reload
    )
    app.command(rich_help_panel=DAEMON_PANEL, epilog=format_examples("oddaemon drain"))(drain)


def run(config: Config = None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C: watch every office, pull, prove, publish."""
    # Loading the daemon takes long enough for a SIGHUP to come, which would end the process. It asks for nothing yet:
    # the configuration is read after this.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from oddaemon.cli.commands.run import run_foreground

    run_foreground(config)


def check(
    config: Config = None,
    as_json: AsJson = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="What a reload would do: asks the running daemon, or compares with the database."),
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Examine every office, too; exit 1 if one needs somebody. See `doctor`.")
    ] = False,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
) -> None:
    """Check the configuration: every problem of every file at once, and what it comes to."""
    if plan and live:
        raise typer.BadParameter("goes with --plan only in two commands.", param_hint="--live")
    if live:
        from oddaemon.cli.commands.check import check_live

        check_live(config, concurrency=concurrency, as_json=as_json)
        return
    if plan:
        from oddaemon.cli.commands.reload import show_plan

        show_plan(config, as_json=as_json)
        return
    from oddaemon.cli.commands.check import check_configuration

    check_configuration(config, as_json=as_json)


def doctor(
    offices: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="OFFICE",
            help="The offices' ids; without any, all in a table.",
            show_default=False,
            autocompletion=completion.complete_offices,
        ),
    ] = None,
    config: Config = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    as_json: AsJson = False,
) -> None:
    """Examine offices step by step, from the name server to whether aging ran; exit 1 if one needs somebody.

    Asks about fourteen questions of each, with the key that is configured and at
    its pace; through the daemon where that is at work.
    """
    from oddaemon.cli.commands.doctor import run_doctor as examine

    examine(config, offices or (), concurrency=concurrency, as_json=as_json)


def reload(config: Config = None, as_json: AsJson = False) -> None:
    """Have the running daemon read its configuration again: all of it is applied, or nothing; tells what changed."""
    from oddaemon.cli.commands import reload

    reload.reload_daemon(config, as_json=as_json)


def drain(config: Config = None, as_json: AsJson = False) -> None:
    """Have the running daemon end in good order: what is under way ends, nothing new begins."""
    from oddaemon.cli.commands import office

    office.drain_daemon(config, as_json=as_json)
