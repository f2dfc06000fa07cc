"""Plays many seeds, or one in detail: `python -m tests.simulation --seeds 200`, `… --seed 17 --verbose`."""

import argparse
import os

from tests.simulation.campaign import COMMAND, find_complaints, print_line, run_campaign
from tests.simulation.runner import run_scenario
from tests.simulation.scenario.scenario import draw_scenario


def main() -> int:
    """Run the command. Returns 1 if any seed has a complaint."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--seed", type=int, help="only this seed, with its scenario")
    parser.add_argument("--verbose", action="store_true", help="with --seed: the daemon's log, too")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _run_seed(arguments.seed, verbose=arguments.verbose)
    return int(not run_campaign(range(arguments.first, arguments.first + arguments.seeds), arguments.jobs))


def _run_seed(seed: int, *, verbose: bool) -> int:
    scenario = draw_scenario(seed)
    print_line(scenario.describe())
    outcome = run_scenario(scenario, verbose=verbose)
    for line in outcome.lines:
        print_line(line)
    complaints = list(find_complaints(outcome))
    for complaint in complaints:
        print_line(str(complaint))
    if not complaints:
        print_line(f"Seed {seed}: nothing to complain of.")
    return int(bool(complaints))


if __name__ == "__main__":
    raise SystemExit(main())
