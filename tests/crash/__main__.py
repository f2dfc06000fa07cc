"""Kill the daemon hundreds of times: `make crash`.

python -m tests.crash [--kills 300] [--seed N]              everything
python -m tests.crash --scenario pages --kill before/9      one run, as a failure names it
"""

import argparse
import sys
import time

import anyio
from rich.console import Console

from tests.crash.campaign import Campaign, CampaignOptions
from tests.crash.kill_points import KillPoint


def main() -> None:
    """Carry out what the command line asks for; exit with 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--kills", type=int, default=300, help="the least number of kills (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side (default: 2)")
    parser.add_argument("--scenario", default="", help="only this one")
    parser.add_argument(
        "--kill", type=KillPoint.parse, nargs="+", default=(), help="just these, one life after another"
    )
    options = parser.parse_args()
    if options.kill and not options.scenario:
        parser.error("--kill needs --scenario")
    console = Console(width=110)
    campaign = Campaign(
        CampaignOptions(options.kills, options.seed, options.jobs, options.scenario, options.kill), console
    )
    started = time.monotonic()
    anyio.run(campaign.run)
    console.print(campaign.build_table())
    console.print(
        f"{campaign.kill_count} kills in {len(campaign.outcomes)} runs, {campaign.failure_count} of them failed, "
        f"seed {options.seed}, {time.monotonic() - started:.0f} s",
        highlight=False,
    )
    sys.exit(bool(campaign.failure_count))


if __name__ == "__main__":
    main()
