"""python -m tests.hostile.guided TARGET [libFuzzer options]: the same targets, guided by coverage.

Needs `pip install atheris`, which the project itself does not; it runs until it finds something or is stopped
(`-max_total_time=600`).
"""

import importlib
import sys
import tempfile
from pathlib import Path

from tests.hostile.fuzzer import SHARES, feed_checked

SEEDS = 200


def main() -> None:
    targets = {target.name: target for target, _ in SHARES}
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.exit(f"{__doc__}\nTargets: {', '.join(targets)}")
    target = targets[sys.argv.pop(1)]
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as corpus:
        for number in range(SEEDS):
            (Path(corpus) / str(number)).write_bytes(target.make_input(number, 1))
        atheris.Setup([*sys.argv, corpus], lambda sent: feed_checked(target, sent))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
