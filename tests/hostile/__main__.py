"""python -m tests.hostile: feeds corrupted responses and configurations by the hundred thousand."""

import argparse
import sys
import time

from tests.hostile.fuzzer import SHARES, print_report, run_fuzzer


def main() -> None:
    names = [target.name for target, _ in SHARES]
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same inputs")
    parser.add_argument("--only", choices=names, help="feed only this target")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    options = parser.parse_args()
    shares = [(target, share) for target, share in SHARES if options.only in {None, target.name}]
    started = time.monotonic()
    outcome = run_fuzzer(options.inputs, options.seed, shares, options.first)
    print_report(outcome, lambda line: print(line, flush=True))  # noqa: T201  it is what a command says
    wall, cpu = time.monotonic() - started, time.process_time()
    print(f"{sum(outcome.input_counts.values())} inputs in {wall:.0f} s, {cpu:.0f} s of them at work")  # noqa: T201
    sys.exit(1 if outcome.violations else 0)


if __name__ == "__main__":
    main()
